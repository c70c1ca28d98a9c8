# pyright: reportAttributeAccessIssue=false
"""What Wine lacks, for a Windows Python that runs in it: lies in its Lib, and environments made from it load it too.

Wine 10 has no complex numbers in its C runtime: NumPy's import calls crealf and dies. The few functions that are called
get a body of machine code in the place of Wine's stub (24 bytes); a real Windows is left alone.
"""

import ctypes
import struct


def _mend():
    """Writes the functions over Wine's stubs, once for each process."""
    if not hasattr(ctypes.WinDLL("ntdll"), "wine_get_version"):
        return  # a real Windows
    kernel = ctypes.WinDLL("kernel32")
    kernel.GetModuleHandleW.restype = kernel.GetProcAddress.restype = ctypes.c_void_p
    kernel.GetProcAddress.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    kernel.VirtualProtect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_void_p]
    runtime = kernel.GetModuleHandleW("ucrtbase.dll")

    def at(name):
        return kernel.GetProcAddress(runtime, name)

    def jump(name):
        return b"\x48\xb8" + struct.pack("<Q", at(name)) + b"\xff\xe0"  # mov rax, name; jmp rax

    both = bytes.fromhex("660f6ec148c1e920660f6ec9")  # xmm0 = real, xmm1 = imaginary, of two floats in rcx
    turned = bytes.fromhex("660f6ec948c1e920660f6ec1")  # the other way round
    bodies = {
        b"crealf": bytes.fromhex("660f6ec1c3"),
        b"cimagf": bytes.fromhex("48c1e920660f6ec1c3"),
        b"cabsf": both + jump(b"_hypotf"),
        b"cargf": turned + jump(b"atan2f"),
    }
    for end in (b"", b"l"):
        bodies |= {
            b"creal" + end: bytes.fromhex("f20f1001c3"),
            b"cimag" + end: bytes.fromhex("f20f104108c3"),
            b"cabs" + end: bytes.fromhex("f20f1001f20f104908") + jump(b"_hypot"),
            b"carg" + end: bytes.fromhex("f20f104108f20f1009") + jump(b"atan2"),
        }
    old = ctypes.c_uint()
    for name, body in bodies.items():
        place = at(name)
        if place and len(body) <= 24 and ctypes.string_at(place, 7) == bytes.fromhex("4883ec28488d0d"):
            kernel.VirtualProtect(place, 24, 0x40, ctypes.byref(old))
            ctypes.memmove(place, body, len(body))
            kernel.VirtualProtect(place, 24, old.value, ctypes.byref(old))


_mend()
