"""Settings are strict: a misspelled or impossible one is an error that helps."""

import pytest

from backend.job_folder.declared import SettingError, parse_assignment
from backend.job_folder.families import resolve
from backend.job_folder.settings import Settings


def test_the_authors_settings_are_the_paper_family():
    paper = resolve({"steps": 20, "guided_steps": 5, "motion_weight": 0.5}, {"family": "paper"})
    assert paper == Settings()
    assert (paper.steps, paper.guided_steps, paper.guided_range, paper.cfg_form) == (100, 50, 0.3, "paper")


def test_own_choices_win_over_family_and_model():
    settings = resolve({"steps": 20, "guided_steps": 5}, {"family": "paper-object", "steps": "200"})
    assert (settings.steps, settings.guided_steps) == (200, 180)


@pytest.mark.parametrize(
    "chosen, words",
    [
        ({"step": 3}, "Did you mean 'steps'"),
        ({"motion_wieght": 3}, "Did you mean 'motion_weight'"),
        ({"family": "papr"}, "Did you mean 'paper'"),
        ({"steps": "many"}, "a whole number"),
        ({"steps": 0}, "between 1 and 1000"),
        ({"steps": 2.5}, "a whole number"),
        ({"steps": True}, "a whole number"),
        ({"motion_weight": "nan"}, "must be between"),
        ({"motion_weight": -1}, "must be between"),
        ({"score_form": "soft"}, "raw or relative"),
        ({"diagonal": "perhaps"}, "true or false"),
        ({"guidance_blocks": "up_blocks.1,,"}, "names with commas"),
        ({"steps": 5, "guided_steps": 6}, "cannot exceed steps"),
    ],
)
def test_wrong_settings_say_what_is_wrong(chosen, words):
    with pytest.raises(SettingError, match=words):
        resolve({"steps": 20, "guided_steps": 5}, chosen)


def test_text_from_a_command_line_becomes_the_settings_type():
    chosen = {"diagonal": "false", "guidance_blocks": "up_blocks.1, up_blocks.2", "motion_weight": "0"}
    settings = resolve({}, chosen)
    assert settings.diagonal is False
    assert settings.guidance_blocks == ("up_blocks.1", "up_blocks.2")
    assert settings.motion_weight == 0


def test_assignments():
    assert parse_assignment(" a = b=c ") == ("a", "b=c")
    with pytest.raises(SettingError, match="key=value"):
        parse_assignment("steps")
