# pyright: reportAttributeAccessIssue=false
"""Adds functions that Wine lacks to a Windows Python in Wine. It is in Lib, so its environments load it too.

Wine 10 has no complex numbers in its C runtime: importing NumPy calls crealf and crashes. The few functions that are
called get a body of machine code instead of Wine's stub (24 bytes). A real Windows is not changed.
"""

import ctypes
import struct


def _patch():
    """Overwrites Wine's stubs with the functions, once per process."""
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
    turned = bytes.fromhex("660f6ec948c1e920660f6ec1")  # swapped
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
        address = at(name)
        if address and len(body) <= 24 and ctypes.string_at(address, 7) == bytes.fromhex("4883ec28488d0d"):
            kernel.VirtualProtect(address, 24, 0x40, ctypes.byref(old))
            ctypes.memmove(address, body, len(body))
            kernel.VirtualProtect(address, 24, old.value, ctypes.byref(old))


_patch()
