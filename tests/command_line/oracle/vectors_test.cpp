// Tests of the golden vector files, and of `vectors run`, which tests programs with them.

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>

#include "tests/command_line/oracle/fixtures.h"

using namespace ringattn;

namespace {

const std::filesystem::path kept = RINGATTN_SOURCE_DIR "/reference/oracle/vectors";

Json json_file(const std::filesystem::path& path) { return Json::parse(read_file(path)); }

// All elements of a stored tensor as doubles
std::vector<double> numbers(const StoredTensor& stored) {
  StoredTensor flat = stored;
  Index count = 1;
  for (const Index extent : stored.shape) count *= extent;
  flat.shape = {1, count, 1, 1};
  const Tensor<double> tensor = to_tensor<double>("", flat, Axes::bshd);
  return {tensor.data(), tensor.data() + tensor.size()};
}

// Whether each element of _found_ is within _distance_ times the largest finite element of _expected_
bool near(const StoredTensor& found, const StoredTensor& expected, double distance) {
  if (found.shape != expected.shape || found.dtype != expected.dtype) return false;
  const std::vector<double> x = numbers(found), y = numbers(expected);
  double largest = 0;
  for (const double each : y)
    if (std::isfinite(each)) largest = std::max(largest, std::abs(each));
  for (std::size_t n = 0; n < x.size(); ++n)
    if (x[n] != y[n] && !(std::abs(x[n] - y[n]) <= distance * largest)) return false;
  return true;
}

// Sets TMPDIR, until the end of the scope, to an empty folder whose name needs quoting in a shell
struct TemporaryFolder {
  TemporaryDirectory directory;
  std::filesystem::path path = directory.path / "it's a folder";
  const char* before = std::getenv("TMPDIR");

  TemporaryFolder() {
    std::filesystem::create_directory(path);
    setenv("TMPDIR", path.c_str(), 1);
  }
  ~TemporaryFolder() {
    if (before)
      setenv("TMPDIR", before, 1);
    else
      unsetenv("TMPDIR");
  }
  bool empty() const { return std::filesystem::is_empty(path); }
};

const std::string our_program = std::string("'") + RINGATTN_EXECUTABLE + "'";

ProcessResult tested(const std::string& program, const std::string& filter = "tiny",
                     std::vector<std::string> arguments = {}) {
  arguments.insert(arguments.begin(), {"vectors", "run", "--program", program, "--filter", filter});
  return run_ringattn(arguments);
}

// The JSON report of `vectors run` for the vector tiny-sevenths
Json outcome(const std::string& program, int status) {
  const ProcessResult answer = tested(program, "tiny-sevenths", {"--json", "-"});
  INFO(answer.out << answer.err);
  REQUIRE(answer.status == status);
  return answer.json()["vectors"][0];
}

}  // namespace

// ---- The files ---------------------------------------------------------------

TEST_CASE("`vectors write` reproduces the vectors in the repository") {
  const TemporaryDirectory directory;
  const ProcessResult answer = run_ringattn({"vectors", "write", directory.path / "new"});
  INFO(answer.err << "to write them again: ringattn vectors write reference/oracle/vectors");
  REQUIRE(answer.status == 0);
  const Json index = json_file(kept / "index.json");
  const bool same_index = index == json_file(directory.path / "new" / "index.json");
  CHECK(same_index);
  for (const Json& each : index["files"]) {
    const std::string json = each["json"], tensors = each["tensors"];
    const bool same_json = json_file(kept / json) == json_file(directory.path / "new" / json);
    CHECK(same_json);
    CHECK(std::filesystem::file_size(kept / json) == each["jsonBytes"]);
    CHECK(std::filesystem::file_size(kept / tensors) == each["tensorsBytes"]);
    const SafetensorsFile old = read_safetensors(kept / tensors),
                          now = read_safetensors(directory.path / "new" / tensors);
    CHECK(old.tensors.size() == now.tensors.size());
    for (const auto& [name, tensor] : now.tensors) {
      CAPTURE(name);
      REQUIRE(old.has(name));
      const bool input = tensor.dtype == Dtype::bf16 || tensor.dtype == Dtype::i64,
                 tolerance = name.find("allowance") != std::string::npos;
      const bool agrees =
          input ? tensor == old.at(name) : near(tensor, old.at(name), tolerance ? 1e-6 : 1e-12);
      CHECK(agrees);
    }
  }
}

TEST_CASE("the JSON names exactly the stored tensors, and all files together are under 3 MB") {
  std::uintmax_t bytes = 0;
  for (const auto& each : std::filesystem::directory_iterator(kept)) bytes += each.file_size();
  CHECK(bytes < 3'000'000);
  for (const std::string size : {"tiny", "small", "trap"}) {
    const Json file = json_file(kept / (size + ".json"));
    const SafetensorsFile tensors = read_safetensors(kept / (size + ".safetensors"));
    std::size_t named = 0, tests = 0;
    const auto check_names = [&](const Json& names) {
      for (const auto& [what, name] : names.items()) CHECK(tensors.has(name));
      named += names.size();
    };
    for (const Json& group : file["testGroups"])
      for (const Json& test : group["tests"]) {
        ++tests;
        CHECK(group["type"] == size);
        check_names(test["tensors"]);
        check_names(test["expected"]);
        for (const auto& [type, names] : test["allowance"].items()) check_names(names);
        for (const char* list : {"flags", "kills"})
          for (const std::string id : test[list]) CHECK(file["notes"].contains(id));
      }
    CHECK(named == tensors.tensors.size());
    CHECK(file["numberOfTests"] == tests);
  }
}

TEST_CASE("notes on mistakes link to their source, and mark the conventions of other libraries") {
  const Json notes = json_file(kept / "small.json")["notes"],
             all = run_with_json({"mistakes"}).json["mistakes"];
  for (const Json& each : all) {
    const std::string id = each["id"];
    if (!notes.contains(id)) continue;
    CAPTURE(id);
    const Json& note = notes[id];
    CHECK(note["description"] == each["title"]);
    CHECK((note["bugType"] == "CONVENTION") == (each["convention_of"] != ""));
    CHECK(note.contains("result") == (each["convention_of"] != ""));
    CHECK(note["links"].empty() == (each["seen_in"] == ""));
    for (const std::string link : note["links"]) CHECK(link.find(' ') == std::string::npos);
  }
}

TEST_CASE("`vectors list` shows every vector, and together they detect every mistake") {
  const ProcessResult list = run_ringattn({"vectors", "list"});
  REQUIRE(list.status == 0);
  const Json report = run_with_json({"vectors", "list"}).json;
  for (const Json& each : report["vectors"])
    CHECK(list.out.find(each["id"].get<std::string>() + " ") != std::string::npos);
  CHECK(report["alive"].empty());
  const std::string all = std::to_string(report["mistakes"].get<int>());
  CHECK(list.last_line() == std::to_string(report["vectors"].size()) + " vectors detect " + all + " of " +
                                all + " mistakes of the catalogue");
}

TEST_CASE("an invalid target of `vectors write` is rejected, and no incomplete file is left") {
  const TemporaryDirectory directory;
  expect_rejection({"vectors", "write"}, "found none; give DIR");
  expect_rejection({"vectors", "write", directory.path / "missing" / "folder"}, "a folder that exists");
  expect_rejection({"vectors", "write", write_file(directory.path / "file", "")}, "must be a folder");
  expect_rejection({"vectors", "write", "/proc"}, "[");
  std::filesystem::create_directories(directory.path / "index.json");
  expect_rejection({"vectors", "write", directory.path}, "this is a directory");
  CHECK(directory.files() == 2);
}

// ---- Programs ----------------------------------------------------------------

TEST_CASE("the engine of this project passes every vector in f32, and the tiny vectors in every dtype") {
  const std::string program = our_program + " run --input {case} --backward --output {out} --devices 4";
  const ProcessResult all = tested(program, "");
  INFO(all.out << all.err);
  CHECK(all.status == 0);
  CHECK(all.last_line() == "20 of 20 vectors pass");
  for (const std::string dtype : {"f64", "bf16", "f16"}) {
    const ProcessResult tiny = tested(program, "tiny", {"--dtype", dtype});
    INFO(tiny.out << tiny.err);
    CHECK(tiny.last_line() == "8 of 8 vectors pass");
  }
}

TEST_CASE("a program with a mistake fails, and the report names the mistake") {
  const std::string program = our_program + " mistakes O1 --make --input {case} --output {out}";
  const ProcessResult answer = tested(program, "small", {"--json", "-", "--dtype", "bf16"});
  INFO(answer.out << answer.err);
  CHECK(answer.status == 1);
  const Json report = answer.json();
  CHECK(report["names"][0]["id"] == "O1");
  CHECK(report["names"][0]["vectors"] == report["total"]);
  for (const Json& each : report["vectors"]) CHECK(each["tensors"] == Json{"out", "lse"});
  CHECK(tested(program, "small").out.find("NAMED    O1 (") != std::string::npos);
}

TEST_CASE("missing results, failed runs and skipped runs are distinguished") {
  CHECK(outcome("true {case} {out}", 1)["outcome"] == "no results");
  CHECK(outcome("echo rubbish > {out} < {case}", 1)["outcome"] == "no results");
  CHECK(outcome("cp {case} {out}", 1)["said"].get<std::string>().find("some of out, lse") !=
        std::string::npos);
  CHECK(outcome("rm {case} {out}", 1)["outcome"] == "no results");
  CHECK(outcome("echo ready; echo out of memory >&2; exit 3; {case} {out}", 1)["said"] ==
        "exit status 3: out of memory");
  CHECK(outcome("kill -SEGV $$; {case} {out}", 1)["outcome"] == "did not run");
  CHECK(outcome("exit 77; {case} {out}", 0)["outcome"] == "skipped");
}

TEST_CASE("a tensor of the wrong shape is rejected, and partial results are judged") {
  const CaseDirectory here;
  SafetensorsFile file;
  file.tensors["out"] = normal_stored({1, 2, 3, 4}, 1, Dtype::f32);
  const std::string wrong = save(here.path("wrong"), file);
  CHECK(outcome("cp " + wrong + " {out} # {case}", 1)["said"].get<std::string>().find(
            "out must have the shape") != std::string::npos);
  CHECK(outcome(our_program + " run --input {case} --output {out}", 0)["tensors"] == Json{"out", "lse"});
}

TEST_CASE("the metadata of a case contain the options, with exact numbers") {
  const CaseDirectory here;
  const auto metadata = [&](const std::string& id) {
    tested("cp {case} " + here.path("case") + "; {out}", id);
    return read_safetensors(here.path("case")).metadata;
  };
  CHECK(std::stod(metadata("tiny-causal").at("softmax_scale")) == std::log(2.0));
  CHECK(metadata("tiny-causal").at("causal") == "true");
  CHECK(metadata("tiny-window").at("window") == "1,1");
  CHECK(metadata("tiny-zigzag").at("layout") == "zigzag");
  CHECK(metadata("small-soft-cap").at("softcap") == "4");
  CHECK(metadata("small-soft-cap").count("softmax_scale") == 0);
}

TEST_CASE("no temporary file is left, even if Ctrl-C ends the program") {
  const TemporaryFolder temporary;
  const std::string program = our_program + " run --input {case} --backward --output {out}";
  CHECK(tested(program, "tiny").last_line() == "8 of 8 vectors pass");
  CHECK(temporary.empty());
  tested("echo rubbish > {out} < {case}");
  CHECK(temporary.empty());
  CHECK(tested("kill -INT $PPID; exec sleep 1; {case} {out}").status == 130);
  CHECK(temporary.empty());
}

TEST_CASE("invalid arguments of `vectors` are rejected with an error message") {
  expect_rejection({"vectors"}, "action is required");
  expect_rejection({"vectors", "dance"}, "must be list, write or run");
  expect_rejection({"vectors", "run"}, "must contain {case} and {out}");
  expect_rejection({"vectors", "run", "--program", "true {case}"}, "must contain {case} and {out}");
  expect_rejection({"vectors", "run", "--program", "/no/such/program {case} {out}"},
                   "must find and run the command");
  expect_rejection({"vectors", "list", "--program", "true {case} {out}"}, "--program belongs to run");
  expect_rejection({"vectors", "list", "--filter", "colossal"}, "found none with \"colossal\"");
  expect_rejection({"vectors", "run", "--program", "true {case} {out}", "--dtype", "f8"}, "f16");
}
