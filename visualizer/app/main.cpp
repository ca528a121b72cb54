#include "visualizer/app/commands.h"

// ringviz: watch the real engine, live, recorded, or as pictures
int main(int argc, char** argv) {
  using namespace ringattn::viz;
  Program program("ringviz", "Watch ring attention: the real engine, live, recorded, or as pictures", RINGATTN_VERSION);
  program.footer(
      "Examples:\n"
      "  ringviz                                     the scenes, in a window\n"
      "  ringviz --scene causal\n"
      "  ringattn run --seq 64 --devices 8 --trace run.trace --trace-rows all && ringviz run.trace\n"
      "  ringviz --live --devices 4 --seq 16         each press of the right arrow lets the devices go on\n"
      "  ringviz shot --scene ring --beat 3 --out ring.png\n\n"
      "render, movie, shot, check and export need neither a display nor GL.\n"
      "Exit status: 0 right, 1 the trace breaks a law, 2 bad input.");
  add_render(program);
  add_movie(program);
  add_shot(program);
  add_check(program);
  add_export(program);
  add_window(program);
  return program.main(argc, argv);
}
