#include <imgui.h>

#include <cstdio>
#include <cstdlib>

#include "reference/files/signal_cleanup.h"
#include "visualizer/app/commands.h"

namespace {

// Dear ImGui does not check the results of its allocations, and cannot be left by an exception
void* allocate_or_exit(std::size_t bytes, void*) {
  if (void* memory = std::malloc(bytes)) return memory;
  std::fprintf(stderr, "ringviz: %s\n", ringattn::cli::out_of_memory);
  ringattn::exit_after_cleanup(ringattn::cli::bad_input);
}

void release(void* memory, void*) { std::free(memory); }

}  // namespace

int main(int argc, char** argv) {
  using namespace ringattn::viz;
  ImGui::SetAllocatorFunctions(allocate_or_exit, release);
  Program program(
      "ringviz",
      "Visualize runs of the ring attention engine: scenes, traces, live runs, pictures and movies",
      RINGATTN_VERSION);
  program.footer(
      "Examples:\n"
      "  ringviz                                     the scenes, in a window\n"
      "  ringviz --scene causal\n"
      "  ringattn run --seq 64 --devices 8 --trace run.trace --trace-rows all && ringviz run.trace\n"
      "  ringviz --live --devices 4 --seq 16         the right arrow releases one operation of each device\n"
      "  ringviz shot --scene ring --beat 3 --out ring.png\n\n"
      "The commands need neither a display nor OpenGL; only the window does.\n"
      "Exit status: 0 success, 1 the trace violates an invariant (check), 2 bad input.");
  add_render(program);
  add_movie(program);
  add_shot(program);
  add_check(program);
  add_export(program);
  add_window(program);
  return program.main(argc, argv);
}
