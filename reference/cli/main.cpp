#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <new>

#include "reference/cli/bench/bench_command.h"
#include "reference/cli/oracle/check_command.h"
#include "reference/cli/args/help_formatter.h"
#include "reference/cli/oracle/laws_command.h"
#include "reference/cli/oracle/mistakes_command.h"
#include "reference/cli/oracle/probe_command.h"
#include "reference/cli/recall/recall_command.h"
#include "reference/cli/run/run_command.h"
#include "reference/cli/run/definition_check.h"
#include "reference/cli/oracle/spectrum_command.h"
#include "reference/cli/oracle/vectors_command.h"
#include "reference/definition/bad_input.h"
#include "reference/files/json.h"

namespace {

constexpr int exit_ok = 0, exit_wrong_result = 1, exit_bad_input = 2;

// One sentence, whatever a library put into its message
int report_error(const std::string& sentence, int status = exit_bad_input) {
  std::string line = sentence;
  for (char& c : line)
    if (c == '\n') c = ' ';
  std::fprintf(stderr, "ringattn: %s\n", line.c_str());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ringattn;
  CLI::App app("Exact ring attention: run it, watch it, check it", "ringattn");
  app.set_version_flag("--version", std::string("ringattn ") + RINGATTN_VERSION, "show the version");
  app.require_subcommand(1);
  app.formatter(std::make_shared<cli::HelpFormatter>());
  app.set_help_flag("-h,--help", "show this text");
  app.footer(
      "Examples:\n  ringattn run --seq 4096 --devices 8 --causal --layout zigzag\n"
      "  ringattn run --help\n"
      "  ringattn check case.safetensors --out mine.safetensors --causal\n\n"
      "Exit status: 0 right, 1 wrong result found, 2 bad input.");

  std::map<std::string, cli::Action> actions;
  actions["run"] = cli::add_run(app);
  actions["recall"] = cli::add_recall(app);
  actions["check"] = cli::add_check(app);
  actions["probe"] = cli::add_probe(app);
  actions["laws"] = cli::add_laws(app);
  actions["spectrum"] = cli::add_spectrum(app);
  actions["mistakes"] = cli::add_mistakes(app);
  actions["vectors"] = cli::add_vectors(app);
  actions["bench"] = cli::add_bench(app);
  for (CLI::App* command : app.get_subcommands({})) command->group("Commands");

  try {
    app.parse(argc, argv);
    const int status = actions.at(app.get_subcommands().front()->get_name())();
    require(std::fflush(stdout) == 0 && !std::ferror(stdout),
            "[output] standard output must take the whole report; it did not; is there room on the device?");
    return status;
  } catch (const CLI::Success& help_or_version) {
    app.exit(help_or_version);
    return exit_ok;
  } catch (const CLI::ParseError& error) {
    if (app.get_subcommands().empty())
      return report_error("a command is wanted, as run or check; found " +
                    (argc > 1 ? in_quotes(argv[1]) : "none") + "; see ringattn --help");
    return report_error(std::string(error.what()) + "; see ringattn " + app.get_subcommands().front()->get_name() +
                  " --help");
  } catch (const cli::WrongResult& error) {
    return report_error(error.what(), exit_wrong_result);
  } catch (const std::bad_alloc&) {
    return report_error("[memory] the tensors must fit into memory; they do not; make the problem smaller");
  } catch (const std::exception& error) {
    return report_error(error.what());
  }
}
