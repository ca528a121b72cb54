#include "reference/blockwise/kernels/tile_kernels.h"
#include "reference/cli/commands.h"

// ringattn: exact ring attention, checked against the definition, and the oracle for other implementations
int main(int argc, char** argv) {
  using namespace ringattn::cli;
  const std::string level(ringattn::processor_levels().back().name);
  Program program("ringattn", "Exact ring attention: run it, watch it, check it",
                  RINGATTN_VERSION " (kernels for " + level + ")");
  program.footer(
      "Examples:\n  ringattn run --seq 4096 --devices 8 --causal --layout zigzag\n"
      "  ringattn run --help\n"
      "  ringattn check case.safetensors --out mine.safetensors --causal\n\n"
      "Exit status: 0 right, 1 wrong result found, 2 bad input.");
  add_run(program);
  add_strategies(program);
  add_recall(program);
  add_memory(program);
  add_check(program);
  add_examine(program);
  add_probe(program);
  add_laws(program);
  add_spectrum(program);
  add_mistakes(program);
  add_vectors(program);
  add_bench(program);
  add_plan(program);
  return program.main(argc, argv);
}
