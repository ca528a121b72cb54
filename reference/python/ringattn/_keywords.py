"""The keywords of an attention problem, and the names that other libraries use for them."""

from __future__ import annotations

import difflib
import functools
import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from ringattn import _arrays, _engine
from ringattn._values import boolean, integer, natural, number, quote, shorten, string

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Function = TypeVar("Function", bound=Callable[..., Any])


class PlainProblem(TypedDict, total=False):
    """The mask and the scoring of an attention problem.

    Operations are applied in this order: scale, soft-cap, ALiBi, bias, mask, softmax, product with v.
    Documents that are packed into one sequence, with cu_seqlens_q, may lack the batch: (sequence, heads, head_dim).

    softmax_scale   factor of q k^T; default 1/sqrt(head_dim of q)
    causal          a query attends only to keys at its own position and before it
    causal_align    alignment if the numbers of queries and keys differ: "bottom-right" (the last query attends to
                    the last key) or "top-left"; required then with causal or window_size
    window_size     (left, right), largest distances of visible keys before and after the query, inclusive; -1 is
                    unlimited
    softcap         c: scores become c tanh(score / c); 0: no soft-cap
    q_positions, kv_positions          (S) or (batch, S): positions for the masks; default 0, 1, 2, ...
    q_segment_ids, kv_segment_ids      (S) or (batch, S): a query attends only to keys of the same id
    cu_seqlens_q, cu_seqlens_k         (documents + 1): boundaries of packed documents; positions restart in each, and
                    rows after the last one are not read
    seqused_q, seqused_k               (batch): the number of rows of each sequence that count; those after them are
                    padding, which is neither read nor judged
    axes            order of the axes of every tensor: "bshd", "bhsd" or "sbhd"
    """

    softmax_scale: float | None
    causal: bool
    causal_align: str | None
    window_size: tuple[int | None, int | None]
    softcap: float
    q_positions: ArrayLike | None
    kv_positions: ArrayLike | None
    q_segment_ids: ArrayLike | None
    kv_segment_ids: ArrayLike | None
    cu_seqlens_q: ArrayLike | None
    cu_seqlens_k: ArrayLike | None
    seqused_q: ArrayLike | None
    seqused_k: ArrayLike | None
    axes: str


class Problem(PlainProblem, total=False):
    """PlainProblem, with one number for each query head.

    sinks           (heads): attention sinks, the score of an extra term of each softmax, without a value; -inf: none
    alibi_slopes    (heads): slope |position_q - position_k| is subtracted from scores
    """

    sinks: ArrayLike | None
    alibi_slopes: ArrayLike | None


class PairProblem(Problem, total=False):
    """Problem, with what only the definition and the oracle support: terms of single pairs of query and key, and q, k
    and v of 8 bits (int8, float8_e4m3fn or float8_e5m2).

    bias            added to the scores, where -inf hides a key; broadcast to (batch, heads, Sq, Skv) as in numpy
    mask            booleans of that shape; True: the query attends to the key
    keep            booleans of that shape: the pairs that dropout kept; after the softmax, P becomes
                    P * keep / (1 - dropout_p)
    dropout_p       the probability with which pairs were dropped
    descale_q, descale_k, descale_v     factors of q, k and v of 8 bits: a number, or an array (heads), (batch, heads) or
                    (batch, heads, blocks), where heads may be those of k
    descale_block   rows of a block; default: blocks of equal length
    """

    bias: ArrayLike | None
    mask: ArrayLike | None
    keep: ArrayLike | None
    dropout_p: float
    descale_q: ArrayLike | None
    descale_k: ArrayLike | None
    descale_v: ArrayLike | None
    descale_block: int


plain_defaults: dict[str, Any] = {
    "softmax_scale": None,
    "causal": False,
    "causal_align": None,
    "window_size": (-1, -1),
    "softcap": 0.0,
    "q_positions": None,
    "kv_positions": None,
    "q_segment_ids": None,
    "kv_segment_ids": None,
    "cu_seqlens_q": None,
    "cu_seqlens_k": None,
    "seqused_q": None,
    "seqused_k": None,
    "axes": "bshd",
}
defaults: dict[str, Any] = {**plain_defaults, "sinks": None, "alibi_slopes": None}
pair_defaults: dict[str, Any] = {
    "bias": None,
    "mask": None,
    "keep": None,
    "dropout_p": 0.0,
    "descale_q": None,
    "descale_k": None,
    "descale_v": None,
    "descale_block": 0,
}

# Names of other libraries -> our names. All but those in silent_aliases cause a warning.
aliases = {
    "scale": "softmax_scale",
    "sm_scale": "softmax_scale",
    "is_causal": "causal",
    "local_window_size": "window_size",
    "query": "q",
    "key": "k",
    "value": "v",
    "attn_output": "out",
    "softmax_lse": "lse",
    "cu_seqlens_kv": "cu_seqlens_k",
    "cache_seqlens": "seqused_k",
    "q_descale": "descale_q",
    "k_descale": "descale_k",
    "v_descale": "descale_v",
    "attn_bias": "bias",
    "s_aux": "sinks",
    "learnable_sink": "sinks",
    "world_size": "devices",
    "sharding": "layout",
}
silent_aliases = ("world_size", "sharding")
mask_aliases = ("attn_mask", "attention_mask")  # booleans are a mask, numbers a bias


def takes_problem(function: Function) -> Function:
    """Decorator: adds the keywords of Problem to a function, with their aliases and a hint for misspelt names."""
    return _with_keywords(function, defaults)


def takes_plain_problem(function: Function) -> Function:
    """The same with the keywords of PlainProblem."""
    return _with_keywords(function, plain_defaults)


def takes_pair_problem(function: Function) -> Function:
    """The same with the keywords of PairProblem."""
    return _with_keywords(function, {**defaults, **pair_defaults})


def _with_keywords(function: Function, added: dict[str, Any]) -> Function:
    own = inspect.signature(function)
    named = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    problem = [inspect.Parameter(name, keyword_only, default=value) for name, value in added.items()]
    signature = own.replace(parameters=[*named, *problem])

    @functools.wraps(function)
    def with_canonical_keywords(*args: Any, **keywords: Any) -> Any:
        return function(*args, **canonical_keywords(function.__name__, keywords, list(signature.parameters)))

    with_canonical_keywords.__signature__ = signature  # type: ignore[attr-defined]
    return with_canonical_keywords  # type: ignore[return-value]


def canonical_keywords(function: str, keywords: dict[str, Any], known: list[str]) -> dict[str, Any]:
    """Replaces aliases by our names. Raises TypeError for an unknown name, or for two names of one keyword."""
    ours: dict[str, Any] = {}
    for name, value in keywords.items():
        if name == "dropout_p" and name not in known:
            if number("dropout_p", value) != 0:
                raise ValueError(f"[{function}] exact attention has no dropout; found dropout_p={quote(value)}; "
                                 "leave it out")
            continue
        our = _our_name(name, value)
        if our in pair_defaults and our not in known:
            if value is None:
                continue
            if our.startswith("descale"):
                raise ValueError(f"[{function}] q, k and v of 8 bits are read by check, laws and attention only; found "
                                 f"{name}; multiply them by their factors")
            raise ValueError(f"[{function}] a bias, mask or keep belongs to pairs of rows, which do not travel with a "
                             f"block; found {name}; use causal, window_size, positions or segment ids, or call "
                             "ringattn.attention")
        if our not in known:
            near = difflib.get_close_matches(name, [*known, *aliases], n=1)
            hint = f"did you mean {near[0]}?" if near else "see help(ringattn." + function + ")"
            raise TypeError(f"[{function}] there is no keyword {shorten(name)}; {hint}")
        if our in ours:
            both = " and ".join(given for given in keywords if _our_name(given, keywords[given]) == our)
            raise TypeError(f"[{function}] {both} are two names of the same keyword; found both; leave one out")
        if our != name and name not in silent_aliases:
            warnings.warn(f"[{function}] {name} is called {our} here; it is used as {our}", stacklevel=3)
        ours[our] = _symmetric(value) if name == "local_window_size" else value
    return ours


def _our_name(name: str, value: Any) -> str:
    if name in mask_aliases:
        try:
            return "mask" if value is None or "bool" in str(value.dtype) else "bias"
        except Exception:  # a list, or an object that is no array
            return "mask"
    return aliases.get(name, name)


def make_problem_arrays(q: Any, k: Any, v: Any, **problem: Any) -> _engine.ProblemArrays:
    """The problem for the engine, with all defaults and converted arrays."""
    # Arrays
    arguments = {**defaults, **pair_defaults, **problem}
    descales = [name for name in arguments if name.startswith("descale") and name != "descale_block"]
    for name in descales:
        if arguments[name] is not None:
            arguments[name] = _arrays.factors(name, arguments[name])
    wide = {name: _arrays.widened(name, array) for name, array in (("q", q), ("k", k), ("v", v))}
    eight_bits = [name for name, array in wide.items() if array is not None]
    if 0 < len(eight_bits) < len(wide):
        raise TypeError(f"[{eight_bits[0]}] q, k and v must have the same type; found 8 bits in {' and '.join(eight_bits)} "
                        "only; convert them to one type")
    if not eight_bits and any(arguments[name] is not None for name in descales):
        raise ValueError("[descale] factors belong to q, k and v of 8 bits; found wider ones; leave the factors out")
    tensors = wide if eight_bits else {"q": q, "k": k, "v": v}
    tensors = {name: _arrays.tensor(name, array) for name, array in tensors.items()}
    for name in ("bias", "mask", "keep"):
        if arguments[name] is not None:
            arguments[name] = _arrays.pairs(name, arguments[name])
    for name in ("sinks", "alibi_slopes"):
        arguments[name] = [] if arguments[name] is None else _arrays.heads(name, arguments[name])
    for name in defaults:
        if name.endswith(("_positions", "_segment_ids")) or name.startswith(("cu_seqlens", "seqused")):
            if arguments[name] is not None:
                arguments[name] = _arrays.integers(name, arguments[name])

    # Single values
    if arguments["softmax_scale"] is not None:
        arguments["softmax_scale"] = number("softmax_scale", arguments["softmax_scale"])
    arguments["softcap"] = number("softcap", 0.0 if arguments["softcap"] is None else arguments["softcap"])
    arguments["dropout_p"] = number("dropout_p", 0.0 if arguments["dropout_p"] is None else arguments["dropout_p"])
    arguments["descale_block"] = natural("descale_block", arguments["descale_block"])
    arguments["window_size"] = _window(arguments["window_size"])
    arguments["causal"] = boolean("causal", arguments["causal"])
    arguments["axes"] = string("axes", defaults["axes"] if arguments["axes"] is None else arguments["axes"])
    if arguments["causal_align"] is not None:
        arguments["causal_align"] = string("causal_align", arguments["causal_align"])
    return _engine.ProblemArrays(**tensors, eight_bits=bool(eight_bits), **arguments)


# ---- Windows ----------------------------------------------------------------


def _window(value: Any) -> tuple[int, int]:
    if value is None:
        return -1, -1
    try:
        left, right = value
    except Exception as error:
        raise TypeError("[window_size] the value must be a pair (left, right), with -1 for unlimited; "
                        f"found {quote(value)}; pass two ints") from error
    left, right = (-1 if side is None else integer("window_size", side) for side in (left, right))
    return left, right


def _symmetric(value: Any) -> Any:
    """The window of jax as a pair: one number stands for both sides."""
    return (value, value) if isinstance(value, int) else value
