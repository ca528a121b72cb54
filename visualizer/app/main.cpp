#include "visualizer/app/commands.h"

int main(int argc, char** argv) {
  using namespace ringattn::viz;
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
