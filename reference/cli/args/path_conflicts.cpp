#include "reference/cli/args/path_conflicts.h"

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/output_file.h"

namespace ringattn::cli {

namespace fs = std::filesystem;

void require_distinct_paths(const std::string& command, const std::vector<PathOption>& read,
                            const std::vector<PathOption>& written) {
  struct File {
    std::string option;
    fs::path path;
  };
  std::vector<File> files;
  const auto add = [&](const PathOption& file, bool standard_output) {
    std::error_code none;
    if (file.path)
      files.push_back(
          {file.option, standard_output
                            ? *file.path
                            : fs::weakly_canonical(resolve_links(fs::absolute(*file.path, none)), none)});
  };
  for (const PathOption& file : read) add(file, false);
  const std::size_t inputs = files.size();
  for (const PathOption& file : written) add(file, file.path == "-");

  for (std::size_t output = inputs; output < files.size(); ++output)
    for (std::size_t other = 0; other < output; ++other)
      require(files[output].path != files[other].path, "[", command,
              "] an output file must have one purpose; found ", in_quotes(files[output].path.string()),
              " for ", files[other].option, " and ", files[output].option, "; choose another path");
}

}  // namespace ringattn::cli
