// Writes golden vectors: a safetensors file with the tensors, and a JSON file that describes the tests.

#include <cmath>
#include <deque>
#include <limits>
#include <sstream>

#include "reference/cli/oracle/probe_file.h"
#include "reference/cli/oracle/vectors.h"
#include "reference/definition/error/chunked.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/output_file.h"
#include "reference/oracle/error_bound/error_bound.h"
#include "reference/oracle/error_bound/error_bound_vjp.h"

namespace ringattn::cli {

namespace fs = std::filesystem;

namespace {

constexpr VectorSize sizes[] = {VectorSize::tiny, VectorSize::small, VectorSize::trap};

// The precisions for which the files hold tolerances; all of them store lse as f32 and sum exact weights
constexpr ImplementationPrecision precisions[] = {{Precision::bf16, Dtype::bf16, Dtype::f32, true, true},
                                                  {Precision::f16, Dtype::f16, Dtype::f32, true, true},
                                                  {Precision::f32, Dtype::f32, Dtype::f32, true, true}};

// The nearest floats that are not smaller, so that storing a tolerance never tightens it
Tensor<double> rounded_up(Tensor<double> tensor) {
  for (double* x = tensor.data(); x != tensor.data() + tensor.size(); ++x) {
    const auto nearest = static_cast<float>(*x);
    *x = nearest < *x ? std::nextafter(nearest, std::numeric_limits<float>::infinity()) : nearest;
  }
  return tensor;
}

// Adds the tensors of one test to a file, under names with a common prefix: "tc7.q"
class TestTensors {
 public:
  TestTensors(Index number, SafetensorsFile& file)
      : prefix_("tc" + std::to_string(number) + "."), file_(file) {}

  std::string add(const std::string& name, StoredTensor tensor) {
    file_.tensors[prefix_ + name] = std::move(tensor);
    return prefix_ + name;
  }

  // Adds out lse dq dk dv; returns their names
  Json add(const std::string& group, const AttentionOutput<double>& forward,
           const Gradients<double>& backward, Dtype dtype) {
    const auto add_rows = [&](const char* name, const Tensor<double>& tensor) {
      return add(group + name, stored_tensor<double>(tensor, dtype, Axes::bshd));
    };
    return {{"out", add_rows("out", forward.out)},
            {"lse", add(group + "lse", stored_row_tensor<double>(forward.lse, dtype))},
            {"dq", add_rows("dq", backward.dq)},
            {"dk", add_rows("dk", backward.dk)},
            {"dv", add_rows("dv", backward.dv)}};
  }

 private:
  std::string prefix_;
  SafetensorsFile& file_;
};

TensorNames add_tensors(const GoldenVector& vector, Index number, SafetensorsFile& file) {
  // Inputs
  TestTensors tensors(number, file);
  TensorNames names;
  for (auto& [name, tensor] : vector_to_safetensors(vector, Dtype::bf16).tensors)
    names.inputs[name] = tensors.add(name, std::move(tensor));

  // Right results, and their tolerances for each precision
  for (const ImplementationPrecision& each : precisions) {
    const Submission s = vector.submission(each);
    const std::vector<Index> rows = all_rows(s.problem.Q.shape.S);
    BoundedAttention forward = bound_attention(s.problem, rows, each);
    BoundedGradients backward = bound_attention_vjp(s.problem, rows, forward.truth, s.cotangents, each);
    if (names.expected.empty()) names.expected = tensors.add("", forward.truth, backward.truth, Dtype::f64);
    const std::string type = name(each.implementation);
    names.tolerances[type] = tensors.add(
        "allowance." + type + ".",
        {rounded_up(std::move(forward.tolerance.out)), rounded_up(std::move(forward.tolerance.lse))},
        {rounded_up(std::move(backward.tolerance.dq)), rounded_up(std::move(backward.tolerance.dk)),
         rounded_up(std::move(backward.tolerance.dv))},
        Dtype::f32);
  }
  return names;
}

// Files of one folder, which replace existing ones only when all of them are written
class Folder {
 public:
  explicit Folder(const fs::path& path) : path_(path) {
    std::error_code error;
    fs::create_directory(path, error);
    require(fs::is_directory(path),
            "[vectors] DIR must be a folder, or a new one in a folder that exists; found ",
            in_quotes(path.string()), "; choose another path");
  }

  std::ostream& open(const std::string& name) {
    paths_.push_back(path_ / name);
    return files_.emplace_back(paths_.back()).stream();
  }

  std::vector<fs::path> commit() {
    for (OutputFile& file : files_) file.commit();
    return paths_;
  }

 private:
  fs::path path_;
  std::vector<fs::path> paths_;
  std::deque<OutputFile> files_;
};

}  // namespace

SafetensorsFile vector_to_safetensors(const GoldenVector& vector, Dtype dtype) {
  ParallelOptions parallel;
  parallel.devices = vector.devices, parallel.layout = name(vector.layout);
  return probe_to_safetensors(vector.probe, vector.causal_align, parallel, dtype);
}

std::vector<fs::path> write_vectors(const fs::path& path) {
  // Which mistakes each vector detects
  Folder folder(path);
  const std::vector<GoldenVector> vectors = golden_vectors();
  const MutationScore score = mutation_score(vectors);

  // For each size, a JSON file and its tensors
  Json files = Json::array();
  for (const VectorSize size : sizes) {
    const std::string name = ringattn::name(size);
    SafetensorsFile tensors;
    Json tests = Json::array();
    for (std::size_t n = 0; n < vectors.size(); ++n) {
      if (vectors[n].size != size) continue;
      const auto number = static_cast<Index>(n + 1);
      const TensorNames names = add_tensors(vectors[n], number, tensors);
      tests.push_back(test_json(vectors[n], number, names, score.kills[n]));
    }
    const std::string text = pretty(vectors_json(size, tests));
    std::ostringstream bytes;
    write_safetensors(bytes, tensors);
    folder.open(name + ".json") << text;
    folder.open(name + ".safetensors") << bytes.str();
    files.push_back({{"type", name},
                     {"json", name + ".json"},
                     {"jsonBytes", text.size()},
                     {"tensors", name + ".safetensors"},
                     {"tensorsBytes", bytes.str().size()},
                     {"numberOfTests", tests.size()}});
  }

  // The index, and the score over all vectors
  folder.open("index.json") << pretty({{"algorithm", "attention"},
                                       {"schema", "ringattn-vectors-1"},
                                       {"generatorVersion", RINGATTN_VERSION},
                                       {"numberOfTests", vectors.size()},
                                       {"mistakes", score.mistakes},
                                       {"killed", score.killed},
                                       {"files", files}});
  return folder.commit();
}

}  // namespace ringattn::cli
