"""The operators' ids, labels and icons, each declared once. Without bpy."""

from __future__ import annotations

from enum import StrEnum


class Operators(StrEnum):
    """An operator's id, as Blender and scripts know it.

    label: the text of its button; icon: the one that its button always has.
    """

    label: str
    icon: str

    def __new__(cls, idname: str, label: str, icon: str) -> Operators:
        operator = str.__new__(cls, idname)
        operator._value_, operator.label, operator.icon = idname, label, icon
        return operator

    ADD_CAMERA = "motionclone.add_camera", "Add Camera Here", "ADD"
    ADOPT = "motionclone.adopt", "Add Takes", "FILE_REFRESH"
    ALL_SHOTS = "motionclone.all_shots", "All Shots", "MARKER"
    APPLY_PRESET = "motionclone.apply_preset", "Apply Preset", "PRESET"
    BALANCED = "motionclone.balanced", "Use Balanced", "PRESET"
    CANCEL = "motionclone.cancel", "Cancel", "CANCEL"
    CANCEL_INSTALL = "motionclone.cancel_install", "Cancel", "CANCEL"
    CHOOSE_MODEL = "motionclone.choose_model", "Choose Model", "OUTLINER_OB_GROUP_INSTANCE"
    CLONE_CAMERA = "motionclone.clone_camera", "Use Camera", "CAMERA_DATA"
    COPY_REPORT = "motionclone.copy_report", "Copy Report", "COPYDOWN"
    DISMISS_OFFERS = "motionclone.dismiss_offers", "Dismiss Takes", "X"
    DISMISS_PROBLEM = "motionclone.dismiss_problem", "Dismiss", "X"
    DOCTOR = "motionclone.doctor", "Ask the Doctor", "CHECKMARK"
    EDIT_PROMPT = "motionclone.edit_prompt", "Edit Prompt", "GREASEPENCIL"
    EVERY_FRAME = "motionclone.every_frame", "Set Step to 1", "TIME"
    FIX = "motionclone.fix", "Fix", "TOOL_SETTINGS"
    GENERATE = "motionclone.generate", "Generate", "RENDER_ANIMATION"
    GET_MODEL = "motionclone.get_model", "Download a Model", "IMPORT"
    HIDE_FIRST_RUN = "motionclone.hide_first_run", "Hide First Steps", "X"
    INSTALL_BACKEND = "motionclone.install_backend", "Install Backend", "IMPORT"
    MODEL_GET = "motionclone.model_get", "Download Model", "IMPORT"
    MODEL_REMOVE = "motionclone.model_remove", "Remove Model", "TRASH"
    NO_MASK = "motionclone.no_mask", "Turn Off Mask", "X"
    NO_PASSES = "motionclone.no_passes", "Turn Off Passes", "X"
    OPEN_PREFERENCES = "motionclone.open_preferences", "Preferences", "PREFERENCES"
    PRESET_ADD = "motionclone.preset_add", "Add MotionClone Preset", "ADD"
    PROMPT_ADD = "motionclone.prompt_add", "Add Prompt", "ADD"
    PROMPT_REMOVE = "motionclone.prompt_remove", "Remove Prompt", "REMOVE"
    QUEUE_MOVE = "motionclone.queue_move", "Move in Queue", "SORTTIME"
    REMOVE_BACKEND = "motionclone.remove_backend", "Remove Backend", "TRASH"
    REPORT_TICKS = "motionclone.report_ticks", "Report Timers", "TIME"
    RESTORE_VIEW = "motionclone.restore_view", "Restore View", "LOOP_BACK"
    RESUME = "motionclone.resume", "Run Again", "PLAY"
    SET_END = "motionclone.set_end", "Set End Frame", "TIME"
    SETTINGS_RESET = "motionclone.settings_reset", "Reset Settings", "LOOP_BACK"
    SHOW_SOLID = "motionclone.show_solid", "Set Shading to Solid", "SHADING_SOLID"
    START_WORKER = "motionclone.start_worker", "Start Worker", "PLAY"
    STOP_WATCHING = "motionclone.stop_watching", "Stop Watching", "PAUSE"
    STOP_WORKER = "motionclone.stop_worker", "Stop Worker", "SNAP_FACE"
    STORAGE_CLEAN = "motionclone.storage_clean", "Clean Up", "TRASH"
    STORAGE_MEASURE = "motionclone.storage_measure", "Measure", "DISK_DRIVE"
    TAKE_LESS_MEMORY = "motionclone.take_less_memory", "Use Less Memory", "MEMORY"
    TAKE_OPEN_FOLDER = "motionclone.take_open_folder", "Open Folder", "FILE_FOLDER"
    TAKE_PLACE = "motionclone.take_place", "Place Take", "IMPORT"
    TAKE_REMOVE = "motionclone.take_remove", "Remove Take", "TRASH"
    TAKE_RETRY = "motionclone.take_retry", "New Seed", "FILE_REFRESH"
    TRY_DEMO = "motionclone.try_demo", "Try the Demo", "PLAY"
    USE_CAMERA = "motionclone.use_camera", "Use Existing Camera", "CAMERA_DATA"
    USE_NAMED_FILES = "motionclone.use_named_files", "Use These Files", "CHECKMARK"
    USE_RANGE = "motionclone.use_range", "Use Frame Range", "TIME"
    WATCH = "motionclone.watch", "Watch", "PLAY"
