#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace ringattn::cli {

// What a command does when it was chosen; returns the exit status.
using Action = std::function<int()>;

// Adds `ringattn run`: ring attention that checks itself against full attention
Action add_run(CLI::App& app);

}  // namespace ringattn::cli
