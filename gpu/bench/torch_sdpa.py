#!/usr/bin/env python3
"""Times PyTorch's scaled_dot_product_attention by cuDNN and by FlashAttention.

The problems are those of `ringattn bench --backend gpu`: bf16, normal numbers, d = 64 and 128, full and causal,
N = SHORTEST, twice that, ... LONGEST. The measurement is the same as well: each run begins with a cache full of zeros,
and the report has the median. Each figure is printed to standard error as soon as it is known; the report is JSON.

Exit status: 0 measured, 2 PyTorch or a GPU is missing.
"""

import argparse
import json
import statistics
import sys

CACHE_BYTES = 256 << 20


def refuse(sentence):
    print(f"torch_sdpa.py: {sentence}", file=sys.stderr)
    sys.exit(2)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: torch_sdpa.py --longest 16384 --backward --json torch.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def count(name, usual, text):
        parser.add_argument(name, type=int, default=usual, metavar="N", help=f"{text} (default: {usual})")

    count("--shortest", 1024, "tokens of the shortest sequence")
    count("--longest", 131072, "tokens of the longest sequence")
    count("--tokens", 16384, "tokens of a batch of shorter sequences")
    count("--columns", 2048, "total columns of all heads")
    count("--runs", 11, "number of runs; the median is reported")
    parser.add_argument("--backward", action="store_true", help="also measure the backward pass")
    parser.add_argument("--json", metavar="FILE", help="write the report to FILE (default: standard output)")
    options = parser.parse_args()
    if min(options.shortest, options.longest, options.tokens, options.columns // 128, options.runs) < 1:
        parser.error("counts must be at least 1, and columns at least 128")
    return options


def problems(options):
    for d in (64, 128):
        for causal in (False, True):
            N = options.shortest
            while N <= options.longest:
                yield d, causal, N
                N *= 2


def median_seconds(torch, runs, cache, work):
    """The median time of several runs by the clock of the GPU, after one warm-up run"""
    work()
    seconds = []
    for _ in range(runs):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        cache.zero_()
        begin.record()
        work()
        end.record()
        end.synchronize()
        seconds.append(1e-3 * begin.elapsed_time(end))
    return statistics.median(seconds)


def measure(torch, options, backend, d, causal, N, cache):
    """Seconds of each pass, as (pass, seconds)"""
    shape = (max(1, options.tokens // N), options.columns // d, N, d)

    def normal():
        return torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=options.backward)

    q, k, v = normal(), normal(), normal()

    def forward():
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

    with torch.nn.attention.sdpa_kernel(backend):
        with torch.no_grad():
            yield "forward", median_seconds(torch, options.runs, cache, forward)
        if options.backward:
            out, dout = forward(), torch.randn(shape, device="cuda", dtype=torch.bfloat16)

            def backward():
                return torch.autograd.grad(out, (q, k, v), dout, retain_graph=True)

            yield "backward", median_seconds(torch, options.runs, cache, backward)


def operations(options, what, d, causal, N):
    """4 or 10 per visible pair of query and key and per element of a head"""
    pairs = N * (N + 1) / 2 if causal else N * N
    columns = max(1, options.tokens // N) * (options.columns // d) * d
    return (4 if what == "forward" else 10) * columns * pairs


def main():
    options = parse_arguments()
    try:
        import torch
    except ImportError as error:
        refuse(f"PyTorch is required; found none ({error}); install it, or omit this comparison")
    if not torch.cuda.is_available():
        refuse("a CUDA device is required; PyTorch found none; run this on a machine with a GPU")

    kernels = torch.nn.attention.SDPBackend
    backends = {"cuDNN": kernels.CUDNN_ATTENTION, "flash": kernels.FLASH_ATTENTION}
    cache = torch.empty(CACHE_BYTES, dtype=torch.uint8, device="cuda")
    torch.manual_seed(0)
    rows = []
    for d, causal, N in problems(options):
        for name, backend in backends.items():
            row = {"backend": name, "d": d, "mask": "causal" if causal else "full", "N": N}
            try:
                for what, seconds in measure(torch, options, backend, d, causal, N, cache):
                    tflops = 1e-12 * operations(options, what, d, causal, N) / seconds
                    rows.append({"what": what, **row, "tflops": tflops})
                    print(json.dumps(rows[-1]), file=sys.stderr)
            except RuntimeError as error:
                print(f"{json.dumps(row)} is omitted: {error}", file=sys.stderr)
    machine = {
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
    with open(options.json, "w") if options.json else sys.stdout as file:
        print(json.dumps({"machine": machine, "rows": rows}, indent=2), file=file)


if __name__ == "__main__":
    main()
