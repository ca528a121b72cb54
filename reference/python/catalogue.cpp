// Binds the catalogue of mistakes and the probes.

#include "reference/oracle/catalogue/catalogue.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "reference/oracle/golden_vectors/golden_vectors.h"
#include "reference/oracle/probes/probes.h"
#include "reference/python/interruptible.h"
#include "reference/python/parse_arguments.h"

namespace ringattn::python {

namespace {

using namespace nb::literals;

// One field of the positions as nested lists, (B or 1, S)
template <class Field>
nb::list lists(const RowPositions& positions, Field field) {
  nb::list sequences;
  for (Index b = 0; b < positions.sequences(); ++b) {
    nb::list numbers;
    for (const RowPosition& row_position : positions.of(b)) numbers.append(row_position.*field);
    sequences.append(numbers);
  }
  return sequences;
}

nb::dict to_python(Probe probe) {
  nb::dict d;
  d["q"] = to_numpy(std::move(probe.Q));
  d["k"] = to_numpy(std::move(probe.K));
  d["v"] = to_numpy(std::move(probe.V));
  d["dout"] = to_numpy(std::move(probe.dout));
  if (probe.dlse.size() > 0) d["dlse"] = rows_to_numpy(std::move(probe.dlse));
  const Scoring& scoring = probe.scoring;
  d["softmax_scale"] = scoring.softmax_scale ? nb::cast(*scoring.softmax_scale) : nb::none();
  d["softcap"] = scoring.softcap;
  d["causal"] = scoring.mask.causal;
  d["window_size"] = nb::make_tuple(scoring.mask.window_left, scoring.mask.window_right);
  d["q_positions"] = lists(probe.q_positions, &RowPosition::position);
  d["kv_positions"] = lists(probe.kv_positions, &RowPosition::position);
  d["q_segment_ids"] = lists(probe.q_positions, &RowPosition::segment);
  d["kv_segment_ids"] = lists(probe.kv_positions, &RowPosition::segment);
  return d;
}

// What pickle and copy need to find an entry of a table again: the function that looks it up, and its argument
nb::tuple lookup(const char* function, const std::string& id) {
  return nb::make_tuple(nb::module_::import_("ringattn._catalogue").attr(function), nb::make_tuple(id));
}

nb::dict probe(const std::string& kind, Index batch, Index seq, std::optional<Index> kv_seq, Index heads,
               Index kv_heads, Index dim, std::optional<Index> v_dim, Index devices,
               const std::string& layout, bool causal, const std::string& causal_align, std::uint64_t seed) {
  const ProbeShape shape{batch,
                         seq,
                         kv_seq,
                         heads,
                         kv_heads,
                         dim,
                         v_dim,
                         parse_devices(devices),
                         parse_layout(layout),
                         causal,
                         parse_causal_align(causal_align),
                         seed};
  return to_python(interruptible([&] { return make_probe(kind, shape); }));
}

nb::list vectors() {
  nb::list all;
  for (GoldenVector& vector : interruptible(golden_vectors)) {
    nb::dict d = to_python(std::move(vector.probe));
    d["layout"] = name(vector.layout), d["devices"] = vector.devices;
    all.append(nb::make_tuple(vector.id, vector.comment, d));
  }
  return all;
}

}  // namespace

void bind_catalogue(nb::module_& m) {
  nb::class_<Mistake>(m, "Mistake", "An entry of the catalogue of mistakes.")
      .def_ro("id", &Mistake::id)
      .def_prop_ro("family", [](const Mistake& mistake) { return name(mistake.family); })
      .def_ro("title", &Mistake::title)
      .def_ro("wrong", &Mistake::wrong, "the wrong formula")
      .def_ro("fingerprint", &Mistake::fingerprint, "how the mistake shows in the result")
      .def_ro("why", &Mistake::why, "why the result is wrong")
      .def_ro("fix", &Mistake::fix)
      .def_ro("evidence", &Mistake::seen_in, "where it happened; empty if unknown")
      .def_ro("convention", &Mistake::convention,
              "the libraries for which this is a convention; usually empty")
      .def_prop_ro(
          "probes", [](const Mistake& mistake) { return probes_for(mistake.id); },
          "the kinds of probes that are made for it")
      .def("__reduce__", [](const Mistake& mistake) { return lookup("mistakes", mistake.id); })
      .def("__repr__", [](const Mistake& mistake) { return "<" + mistake.id + ": " + mistake.title + ">"; });
  m.def(
      "mistakes",
      [] {
        nb::list all;
        for (const Mistake& mistake : catalogue()) all.append(nb::cast(&mistake, nb::rv_policy::reference));
        return all;
      },
      "the whole catalogue");
  m.def(
      "mistake", [](const std::string& id) { return nb::cast(&mistake_of_id(id), nb::rv_policy::reference); },
      "id"_a, "the entry with that id");

  nb::class_<ProbeKind>(m, "ProbeKind", "A row of the table of probes.")
      .def_ro("kind", &ProbeKind::kind)
      .def_ro("shows", &ProbeKind::shows, "what the probe contains and what it makes visible")
      .def_ro("right_answer", &ProbeKind::right_answer, "how to read a right result")
      .def_ro("made_for", &ProbeKind::made_for, "ids of the mistakes for which it is made")
      .def("__reduce__", [](const ProbeKind& row) { return lookup("probe_kind", std::string(row.kind)); })
      .def("__repr__", [](const ProbeKind& row) { return "<probe " + std::string(row.kind) + ">"; });
  m.def("probe_kinds", &probe_kinds, "all kinds of probes");
  m.def("vectors", &vectors, "the golden vectors: id, comment, and tensors with keywords");
  m.def("probe", &probe, "kind"_a, nb::kw_only(), "batch"_a, "seq"_a, "kv_seq"_a.none(), "heads"_a,
        "kv_heads"_a, "dim"_a, "v_dim"_a.none(), "devices"_a, "layout"_a, "causal"_a, "causal_align"_a,
        "seed"_a, "the tensors and keywords of a probe");
}

}  // namespace ringattn::python
