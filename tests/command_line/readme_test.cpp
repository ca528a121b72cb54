// The outputs that the READMEs show are those of the commands.

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <regex>
#include <sstream>

#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

const std::string readme_paths[] = {
    RINGATTN_SOURCE_DIR "/README.md", RINGATTN_SOURCE_DIR "/reference/cli/README.md",
    RINGATTN_SOURCE_DIR "/reference/oracle/README.md", RINGATTN_SOURCE_DIR "/reference/planner/README.md"};

// A command in a README with its output: "$ build/release/ringattn ...", then the output, up to the closing fence
struct Shown {
  std::string command, output;
};

// A README in pieces: texts, and between two texts a command with its output
struct Readme {
  std::vector<std::string> texts = {""};
  std::vector<Shown> shown;

  explicit Readme(std::istream& stream) {
    const std::string prompt = "$ build/release/ringattn ";
    for (std::string line; std::getline(stream, line);) {
      if (line.rfind(prompt, 0) != 0) {
        texts.back() += line + "\n";
        continue;
      }
      shown.push_back({line.substr(prompt.size()), ""});
      while (std::getline(stream, line) && line != "```") shown.back().output += line + "\n";
      texts.emplace_back("```\n");
    }
  }

  std::string whole() const {
    std::string text = texts.front();
    for (std::size_t i = 0; i < shown.size(); ++i)
      text += "$ build/release/ringattn " + shown[i].command + "\n" + shown[i].output + texts[i + 1];
    return text;
  }
};

// The words of a command; double quotes enclose a word with spaces
std::vector<std::string> arguments_of(const std::string& command) {
  std::istringstream stream(command);
  std::vector<std::string> arguments;
  for (std::string word; stream >> std::quoted(word);) arguments.push_back(word);
  return arguments;
}

// Numbers and their units differ between runs and machines; everything else must agree
std::string without_numbers(const std::string& output) {
  const std::string masked = std::regex_replace(
      output, std::regex("[0-9]+([.][0-9]+)?(e[-+][0-9]+)?( (B|KiB|MiB|GiB|ms|s)\\b)?"), "#");
  return std::regex_replace(masked, std::regex(" +"), " ");
}

}  // namespace

// With RINGATTN_README=write the outputs are written into the READMEs
TEST_CASE("the READMEs show the output of their commands") {
  const char* mode = std::getenv("RINGATTN_README");
  const bool write = mode && std::string(mode) == "write";
  std::size_t commands = 0;
  for (const std::string& path : readme_paths) {
    CAPTURE(path);
    std::ifstream stream(path);
    Readme readme(stream);
    commands += readme.shown.size();

    // The commands write their files into a temporary folder, and find the program where the README has it
    const TemporaryDirectory directory;
    const std::filesystem::path here = std::filesystem::current_path();
    std::filesystem::current_path(directory.path);
    std::filesystem::create_directories("build/release");
    std::filesystem::create_symlink(RINGATTN_EXECUTABLE, "build/release/ringattn");
    for (Shown& each : readme.shown) {
      CAPTURE(each.command);
      const ProcessResult answer = run_ringattn(arguments_of(each.command));
      const bool wrong = answer.out.find("VERDICT  FAIL") != std::string::npos ||
                         answer.out.find("\nFOUND ") != std::string::npos;
      CHECK(answer.status == (wrong ? 1 : 0));
      if (write) each.output = answer.out;
      CHECK(without_numbers(each.output) == without_numbers(answer.out));
    }
    std::filesystem::current_path(here);
    if (write) std::ofstream(path) << readme.whole();
  }
  CHECK(commands >= 5);
}
