"""Compiles kernels for cards that need not be there, in a process where Triton does not interpret.

Prints one line each: the kernel, the bytes of shared memory, and what of the machine's instructions multiplies.
"""

from typing import Any

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from heedmap.model.attention.triton import overview, statistics, window

POINTERS = {"lse": "*fp32", "bias": "*fp32", "values": "*fp32", "counts": "*fp32", "weights": "*fp32", "parts": "*fp32"}
KERNELS = {"overview": overview._overview, "statistics": statistics._statistics, "window": window._window}


def compiled(name: str, architecture: int, dtype: str, warps: int, **constants: Any) -> Any:
    """The kernel's binary for this architecture, heads of 64 values and such constants."""
    kernel = KERNELS[name]
    types = {**POINTERS, "q": f"*{dtype}", "k": f"*{dtype}", "index": "*i64", "scale": "fp32", "cap": "fp32"}
    constants |= {"D": 64, "CHUNK": 32 if dtype == "fp32" else 64, "WIDEN": False}
    signature = {each: "constexpr" if each in constants else types.get(each, "i32") for each in kernel.arg_names}
    aligned = [each.startswith("*") for each in signature.values()]
    aligned = [each or name in ("q_row", "k_row") for name, each in zip(signature, aligned, strict=True)]
    divisible = {(place,): [["tt.divisibility", 16]] for place, each in enumerate(aligned) if each}
    source = ASTSource(kernel, signature, constexprs=constants, attrs=divisible)
    return compile(source, target=GPUTarget("cuda", architecture, 32), options={"num_warps": warps})


if __name__ == "__main__":
    for name, *rest, constants in (
        (
            "overview",
            90,
            "bf16",
            8,
            {"TILE": 128, "SIDE": 32, "RUN": 16, "MEAN": False, "CAPPED": True, "BIASED": False},
        ),
        ("statistics", 80, "fp32", 4, {"ROWS": 64, "COLS": 32, "CAPPED": True, "BIASED": True}),
        ("window", 90, "fp16", 4, {"ROWS": 64, "COLS": 64, "CAPPED": False, "BIASED": True}),
    ):
        made = compiled(name, *rest, **constants)
        products = [each for each in ("wgmma.mma_async", "mma.sync", "fma.rn.f32") if each in made.asm["ptx"]]
        assert len(made.asm["cubin"]) > 1000
        print(name, made.metadata.shared, products[0])
