#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace ringattn::viz {

// What a command does once its options are parsed; returns the exit status. Each is described to the parser
// by its add function.
using Action = std::function<int()>;

Action add_window(CLI::App& app);
Action add_render(CLI::App& app);
Action add_movie(CLI::App& app);
Action add_shot(CLI::App& app);
Action add_check(CLI::App& app);
Action add_export(CLI::App& app);

}  // namespace ringattn::viz
