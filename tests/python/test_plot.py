"""The pictures show what the engine did."""

import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import ringattn
from problems import draw
from ringattn import _theme, plot

matplotlib.use("Agg")
ring = ringattn.ring_attention(*draw(1, seq=24), devices=3, causal=True, trace=True, threads=1, link_gbps=40)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_the_colours_of_blocks_are_those_of_the_visualizer():
    theme = (Path(__file__).parents[2] / "visualizer" / "draw" / "theme.cpp").read_text()
    light = theme[theme.index("const Theme light") :]
    identity = re.findall(r"rgb\(0x(\w{6})\)", light[light.index(".identity") :])[:8]
    assert [colour[1:].upper() for colour in _theme.identity] == identity
    for name in ("ink", "faint_ink", "outline", "wait", "wrong", "right"):
        assert re.search(rf"\.{name} = rgb\(0x(\w+)\)", light)[1] == getattr(_theme, name)[1:]


def test_each_cell_of_the_schedule_has_the_number_and_the_colour_of_its_owner():
    owners = ringattn.schedule(5)
    ax = plot.schedule(owners)
    assert texts(ax) == [str(owner) for owner in owners.ravel()]
    faces = [matplotlib.colors.to_hex(patch.get_facecolor()).upper() for patch in ax.patches]
    assert faces == [plot.colour_of(owner) for owner in owners.ravel()]


def test_the_work_of_each_device_and_step_is_printed():
    assert texts(plot.work(ring.live_pairs())) == [str(count) for count in ring.live_pairs().ravel()]
    assert texts(plot.visits(ring.visits())) == ["1"] * 9


def test_the_timeline_has_one_thick_bar_for_each_block_with_work_and_one_thin_bar_for_each_message():
    ax = plot.timeline(ring)
    heights = [round(patch.get_height(), 2) for patch in ax.patches if not patch.get_hatch()]
    assert heights.count(0.5) == np.count_nonzero(ring.live_pairs()) and heights.count(0.2) == 3 * 2


def test_the_mask_in_shard_order_has_as_many_coloured_cells_as_visible_pairs():
    for layout in ("contiguous", "zigzag", "striped"):
        (image,) = plot.mask(ringattn.sharding(18, devices=4, layout=layout)).images
        assert np.count_nonzero(np.any(image.get_array() != 1, axis=-1)) == 18 * 19 // 2


def test_strips_and_weights_draw_every_row():
    shardings = [ringattn.sharding(10, devices=2, layout=layout) for layout in ("contiguous", "striped")]
    assert texts(plot.strips(*shardings)) == [str(device) for each in shardings for device in each.device_of_row]
    assert plot.weights(np.eye(4), sharding=ringattn.sharding(4, devices=2)).images[0].get_array().shape == (4, 4)


def test_without_matplotlib_a_picture_names_the_package_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        plot.schedule(ringattn.schedule(2))
