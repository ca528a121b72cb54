#include "reference/python/problem_arrays.h"

namespace {

namespace nb = nanobind;

// Memory that the system does not grant, and containers beyond the largest size
void raise_memory_error(const std::exception_ptr& error, void*) {
  const auto raise = [] {
    PyErr_SetString(
        PyExc_MemoryError,
        "[ringattn] a call needs memory for its inputs and results; found too little for these shapes; "
        "choose a smaller problem");
  };
  try {
    std::rethrow_exception(error);
  } catch (const std::bad_alloc&) {
    raise();
  } catch (const std::length_error&) {
    raise();
  }
}

}  // namespace

// ringattn._engine: the C++ engine, as the package in reference/python/ringattn calls it. The package defines the
// public functions with their defaults and aliases; this module converts arrays to tensors and back.
NB_MODULE(_engine, m) {
  namespace python = ringattn::python;
  m.doc() = "The C++ engine of the package ringattn.";
  m.attr("__version__") = RINGATTN_VERSION;
  nb::register_exception_translator(raise_memory_error);
  python::bind_case(m);
  python::bind_attention(m);
  python::bind_ring(m);
  python::bind_check(m);
  python::bind_examine(m);
  python::bind_catalogue(m);
  python::bind_make_mistake(m);
  python::bind_sharding(m);
  python::bind_circular_memory(m);
  python::bind_plan(m);
}
