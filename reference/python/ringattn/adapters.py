"""The arguments of attention functions of other libraries as keywords of this package.

    report = ringattn.check(**adapters.sdpa(q, k, v, is_causal=True), out=out)
    expected = ringattn.attention(**adapters.flash_attn(q, k, v, causal=True, window_size=(128, 0)))

Each function takes the arguments of its original, in the same order with the same defaults, and states what the original
does silently: the order of the axes and the alignment of a causal mask. An argument that this package has no equivalent
for is refused with ValueError.
"""

from __future__ import annotations

from typing import Any

from ringattn._values import boolean, number, quote


def sdpa(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> dict[str, Any]:
    """torch.nn.functional.scaled_dot_product_attention: (batch, heads, sequence, head_dim), causal from the top left."""
    _refuse("sdpa", dropout_p=dropout_p)
    arguments = _problem(query, key, value, "bhsd", scale)
    if boolean("is_causal", is_causal):
        arguments |= {"causal": True, "causal_align": "top-left"}
    if attn_mask is not None:
        arguments["attn_mask"] = attn_mask
    return arguments


def flash_attn(
    q: Any,
    k: Any,
    v: Any,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Any = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
) -> dict[str, Any]:
    """flash_attn_func: (batch, sequence, heads, head_dim), masks from the bottom right."""
    _refuse("flash_attn", dropout_p=dropout_p)
    slopes = {} if alibi_slopes is None else {"alibi_slopes": alibi_slopes}
    arguments = _problem(q, k, v, "bshd", softmax_scale) | slopes
    return arguments | {
        "causal": boolean("causal", causal),
        "causal_align": "bottom-right",
        "window_size": window_size,
        "softcap": softcap,
    }


def flash_attn_varlen(
    q: Any,
    k: Any,
    v: Any,
    cu_seqlens_q: Any,
    cu_seqlens_k: Any,
    max_seqlen_q: int,
    max_seqlen_k: int,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Any = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    block_table: Any = None,
) -> dict[str, Any]:
    """flash_attn_varlen_func: packed documents (tokens, heads, head_dim); its lse is (heads, tokens)."""
    _refuse("flash_attn_varlen", block_table=block_table)
    arguments = flash_attn(q, k, v, dropout_p, softmax_scale, causal, window_size, softcap, alibi_slopes)
    return arguments | {"cu_seqlens_q": cu_seqlens_q, "cu_seqlens_k": cu_seqlens_k}


def jax(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    scale: float | None = None,
    is_causal: bool = False,
    query_seq_lengths: Any = None,
    key_value_seq_lengths: Any = None,
    local_window_size: int | tuple[int, int] | None = None,
    implementation: str | None = None,
    return_residual: bool = False,
) -> dict[str, Any]:
    """jax.nn.dot_product_attention: (batch, sequence, heads, head_dim), masks from the top left; its residual is lse as
    (batch, sequence, heads)."""
    _refuse("jax", query_seq_lengths=query_seq_lengths, key_value_seq_lengths=key_value_seq_lengths)
    arguments = _problem(query, key, value, "bshd", scale) | {"causal": boolean("is_causal", is_causal)}
    window = (local_window_size, local_window_size) if isinstance(local_window_size, int) else local_window_size
    pairs = {"window_size": window, "bias": bias, "mask": mask}
    return arguments | {"causal_align": "top-left"} | {name: value for name, value in pairs.items() if value is not None}


def _problem(q: Any, k: Any, v: Any, axes: str, scale: float | None) -> dict[str, Any]:
    scaled = {} if scale is None else {"softmax_scale": scale}
    return {"q": q, "k": k, "v": v, "axes": axes, **scaled}


def _refuse(function: str, **arguments: Any) -> None:
    """Refuses arguments that are neither None nor 0."""
    for name, value in arguments.items():
        if value is None or (isinstance(value, int | float) and number(name, value) == 0):
            continue
        raise ValueError(f"[{function}] there is no equivalent of {name} here; found {quote(value)}; leave it out")
