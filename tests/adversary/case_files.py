"""Files for the program: valid ones, and hostile values to damage them with."""

import io
import json
import struct
import zipfile

from hypothesis import strategies as st

element_bytes = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I64": 8}
hostile_integers = [0, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**32, 2**59, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, -1, -(2**63)]
hostile_texts = [
    "",
    " ",
    "-",
    "--",
    "=",
    "0",
    "-0",
    "+1",
    "01",
    "1e400",
    "-1",
    "1.5",
    "nan",
    "inf",
    "0x10",
    "true",
    "{case}",
    "%s%n",
    "\n",
    "\x1b[31m",
    "ü\u202e",
    "a" * 5000,
]
hostile_json = st.recursive(
    st.sampled_from([None, True, 1.5, 1e308, *hostile_integers, *hostile_texts]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["dtype", "shape", "data_offsets", "x", ""]), inner, max_size=4)
    ),
    max_leaves=12,
)


def numbers(count):
    """Small numbers, all different, that every type holds exactly."""
    return [((7 * n) % 33 - 16) / 8 for n in range(count)]


def packed(dtype, values):
    """The bytes of numbers of a type."""
    if dtype == "BF16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return struct.pack(f"<{len(values)}{ {'F64': 'd', 'F32': 'f', 'F16': 'e', 'I64': 'q'}[dtype] }", *values)


def product(extents):
    size = 1
    for extent in extents:
        size *= extent
    return size


def safetensors(tensors, metadata=None):
    """A file with these tensors: name -> (dtype, shape)."""
    header, data = ({"__metadata__": metadata} if metadata else {}), b""
    for name, (dtype, shape) in tensors.items():
        values = [int(value) for value in numbers(product(shape))] if dtype == "I64" else numbers(product(shape))
        part = packed(dtype, values)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    return with_header(json.dumps(header), data)


def with_header(text, data):
    header = text.encode(errors="surrogatepass")
    return struct.pack("<Q", len(header)) + header + data


def header_of(content):
    """The header of a file as an object, and its data. Fails unless the file is complete."""
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    assert max(ends, default=0) == len(data)
    return header, data


def case(dtype="F32", tokens=6, heads=2, dim=4, metadata=None, gradients=True):
    """A case for `run --input` and `check`."""
    shape = (1, tokens, heads, dim)
    tensors = {name: (dtype, shape) for name in ("q", "k", "v", *(["dout"] if gradients else []))}
    return safetensors(tensors, metadata)


def results(tokens=6, heads=2, dim=4):
    """Results of any numbers for that case, which are wrong."""
    shape = (1, tokens, heads, dim)
    return safetensors(
        {"out": ("F32", shape), "lse": ("F32", (1, heads, tokens)), **{name: ("F32", shape) for name in ("dq", "dk", "dv")}}
    )


def npy(shape_text="(1, 6, 2, 4)", descr="<f4", order="False", data=b"", version=1):
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape_text}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def archive(members):
    """A zip archive of these files, name -> content, without compression."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as written:
        for name, part in members.items():
            written.writestr(name, part)
    return content.getvalue()


def npz(tokens=6, heads=2, dim=4):
    """The case as numpy.savez writes it."""
    data = packed("F32", numbers(tokens * heads * dim))
    return archive({f"{name}.npy": npy(f"(1, {tokens}, {heads}, {dim})", data=data) for name in ("q", "k", "v")})


def torch_file(tokens=6, heads=2, dim=4):
    """The case as torch.save writes it."""
    shape, strides = (1, tokens, heads, dim), (tokens * heads * dim, heads * dim, dim, 1)

    def text(word):
        return b"X" + struct.pack("<I", len(word)) + word.encode()

    def integers(values):
        return b"(" + b"".join(b"K" + bytes([value]) for value in values) + b"t"

    def tensor(key):
        storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(str(key)) + text("cpu") + b"K\x30tQ"
        return (
            b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0" + integers(shape) + integers(strides)
            + b"\x89ccollections\nOrderedDict\n)RtR"
        )  # fmt: skip

    items = b"".join(text(name) + tensor(key) for key, name in enumerate("qkv")) + text("causal") + b"\x88"
    storages = {f"a/data/{key}": packed("F32", numbers(tokens * heads * dim)) for key in range(3)}
    return archive({"a/data.pkl": b"\x80\x02}(" + items + b"u.", **storages})


@st.composite
def damaged(draw, content):
    """The bytes of a file with up to four changes: bytes replaced, inserted, removed, repeated, or the end cut off."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 1, 2, 8, 64, 1000]))
        new = draw(st.binary(max_size=8) | st.sampled_from([str(n).encode() for n in hostile_integers]))
        change = draw(st.sampled_from(["replace", "insert", "remove", "repeat", "cut"]))
        content = {
            "replace": content[:at] + new + content[at + len(new) :],
            "insert": content[:at] + new + content[at:],
            "remove": content[:at] + content[at + length :],
            "repeat": content[: at + length] + content[at:],
            "cut": content[:at],
        }[change]
    return content
