#include <cstdio>
#include <map>
#include <new>

#include "reference/cli/bench.h"
#include "reference/cli/recall.h"
#include "reference/cli/run.h"

namespace {

constexpr int right = 0, bad_input = 2;

// One sentence, whatever a library put into its message
int refuse(const std::string& sentence) {
  std::string line = sentence;
  for (char& c : line)
    if (c == '\n') c = ' ';
  std::fprintf(stderr, "ringattn: %s\n", line.c_str());
  return bad_input;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ringattn;
  CLI::App app("Exact ring attention: run it, watch it, check it", "ringattn");
  app.set_version_flag("--version", std::string("ringattn ") + RINGATTN_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit status: 0 right, 1 wrong result found, 2 bad input.\n`ringattn COMMAND --help` explains a "
      "command.");
  app.get_formatter()->column_width(34);

  std::map<std::string, cli::Action> actions;
  actions["run"] = cli::add_run(app);
  actions["bench"] = cli::add_bench(app);
  actions["recall"] = cli::add_recall(app);

  try {
    app.parse(argc, argv);
    return actions.at(app.get_subcommands().front()->get_name())();
  } catch (const CLI::Success& help_or_version) {
    app.exit(help_or_version);
    return right;
  } catch (const CLI::ParseError& error) {
    return refuse(std::string(error.what()) + "; see ringattn " +
                  (app.get_subcommands().empty() ? "" : app.get_subcommands().front()->get_name() + " ") +
                  "--help");
  } catch (const std::bad_alloc&) {
    return refuse("[memory] the tensors must fit into memory; they do not; make the problem smaller");
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
}
