"""In what numbers networks of images compute: where bfloat16 is faster, and nowhere else.

The rule is fixed for a machine, since it has a part in the bytes; it was found by `python benchmarks/precision.py`
(figures in docs/adr/0023):

    GPU that has bfloat16        autocast to bfloat16
    CPU with AMX tiles           autocast to bfloat16
    any other CPU                single precision: with AVX-512 bfloat16 alone, conversions cost more than they save

Memory is laid out with channels last everywhere, which gains on each CPU measured and changes no result.
"""

import torch


def mixed(device: torch.device) -> torch.autocast:
    """Return the context in which a forward pass runs; losses are taken in single precision, outside of it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=halved(device))


def halved(device: torch.device) -> bool:
    """Tell whether bfloat16 pays on this device."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16"))
