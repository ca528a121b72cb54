// Cases with values for single pairs, padding and tensors of 8 bits, as files.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "reference/definition/attention_vjp.h"
#include "tests/command_line/oracle/fixtures.h"
#include "tests/support/random_problem.h"

using namespace ringattn;

namespace {

constexpr Extents extents{.B = 2, .Sq = 12, .Skv = 17, .Hq = 4, .Hkv = 2, .D = 10, .Dv = 7};

SafetensorsFile inputs_of(const RandomProblem<double>& p) {
  SafetensorsFile file;
  for (const auto& [name, tensor] :
       {std::pair{"q", &p.Q}, std::pair{"k", &p.K}, std::pair{"v", &p.V}, std::pair{"dout", &p.dout}})
    file.tensors[name] = stored_tensor<double>(*tensor, Dtype::f64, Axes::bshd);
  return file;
}

SafetensorsFile results_of(const RandomProblem<double>& p) {
  const AttentionOutput<double> right = attention(p.problem());
  const Gradients<double> gradients = attention_vjp(p.problem(), right, {p.dout, {}});
  SafetensorsFile file;
  file.tensors["lse"] = stored_row_tensor<double>(right.lse, Dtype::f64);
  for (const auto& [name, tensor] : {std::pair{"out", &right.out}, std::pair{"dq", &gradients.dq},
                                     std::pair{"dk", &gradients.dk}, std::pair{"dv", &gradients.dv}})
    file.tensors[name] = stored_tensor<double>(*tensor, Dtype::f64, Axes::bshd);
  return file;
}

std::string save(const std::string& path, const SafetensorsFile& file) {
  write_safetensors(path, file);
  return path;
}

// Booleans of the shape (H, Sq, Skv), as integers
StoredTensor integers_of(const PairTensor<bool>& pairs, Index H) {
  std::vector<std::int64_t> integers;
  for (Index h = 0; h < H; ++h)
    for (Index i = 0; i < extents.Sq; ++i)
      for (Index j = 0; j < extents.Skv; ++j) integers.push_back(pairs(0, h, i, j));
  StoredTensor stored = stored_integers(integers);
  stored.shape = {H, extents.Sq, extents.Skv};
  return stored;
}

PairTensor<bool> random_booleans(Random& random, Index H) {
  const PairTensor<bool> pairs(1, H, extents.Sq, extents.Skv);
  for (Index h = 0; h < H; ++h)
    for (Index i = 0; i < extents.Sq; ++i)
      for (Index j = 0; j < extents.Skv; ++j) pairs(0, h, i, j) = random.below(3) != 0;
  return pairs;
}

// A safetensors file with one more tensor of a type that is not written otherwise
std::string with_raw_tensor(const std::string& path, const std::string& name, const std::string& dtype,
                            const std::string& shape, const std::string& bytes) {
  std::string file = read_file(path);
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  const std::size_t data = file.size() - sizeof header_bytes - header_bytes;
  std::string header = file.substr(sizeof header_bytes, header_bytes);
  header.erase(header.rfind('}'));
  header += ",\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
            std::to_string(data) + "," + std::to_string(data + bytes.size()) + "]}}";
  const std::uint64_t length = header.size();
  std::string result(reinterpret_cast<const char*>(&length), sizeof length);
  write_file(path, result + header + file.substr(sizeof header_bytes + header_bytes) + bytes);
  return path;
}

}  // namespace

TEST_CASE("a bias, a boolean mask and dropout in the case are read, and not ignored by any command") {
  const CaseDirectory here;
  Random random(81);
  RandomProblem<double> p = normal_problem(random, extents);
  p.q_positions = consecutive_positions(extents.Sq);
  const Tensor<double> bias = normal_tensor<double>({1, 4, 12, 17}, random);
  p.bias = PairTensor<double>(1, 4, 12, 17);
  for (Index n = 0; n < bias.size(); ++n) (&p.bias(0, 0, 0, 0))[n] = bias.data()[n];
  p.allowed = random_booleans(random, 1);
  p.keep = random_booleans(random, 4), p.dropout_p = 0.25;

  SafetensorsFile inputs = inputs_of(p);
  inputs.tensors["attn_bias"] = stored_tensor<double>(bias, Dtype::f64, Axes::bshd);
  inputs.tensors["mask"] = integers_of(p.allowed, 1);
  inputs.tensors["keep"] = integers_of(p.keep, 4);
  const std::string path = save(here.path("case"), inputs), out = save(here.path("out"), results_of(p));
  const JsonResult right = run_with_json({"check", path, "--out", out, "--dropout-p", "0.25"});
  CHECK(right.status == 0);
  CHECK(run_ringattn({"laws", path, "--out", out, "--dropout-p", "0.25"}).status == 0);

  // Another probability, and no mask
  CHECK(run_with_json({"check", path, "--out", out, "--dropout-p", "0.5"}).status == 1);
  RandomProblem<double> unmasked = p;
  unmasked.allowed = {};
  const std::string wrong = save(here.path("wrong"), results_of(unmasked));
  const ProcessResult report = run_ringattn({"check", path, "--out", wrong, "--dropout-p", "0.25"});
  CHECK(report.status == 1);
  CHECK(report.out.find("are those without the boolean mask") != std::string::npos);

  // The probability is needed, and other commands refuse the file
  CHECK(run_ringattn({"check", path, "--out", out}).status == 2);
  for (const char* command : {"run", "examine"})
    CHECK(run_ringattn(
              command == std::string("run")
                  ? std::vector<std::string>{"run", "--input", path}
                  : std::vector<std::string>{"examine", "--input", path, "--program", "true {case} {out}"})
              .status == 2);
  CHECK(run_ringattn({"mistakes", "O1", "--make", "--input", path, "--output", here.path("made")}).status ==
        2);
}

TEST_CASE("a mask of booleans is read, and a bias that is NaN or infinite is refused") {
  const CaseDirectory here;
  Random random(82);
  RandomProblem<double> p = normal_problem(random, extents);
  p.q_positions = consecutive_positions(extents.Sq);
  p.allowed = random_booleans(random, 1);
  const std::string out = save(here.path("out"), results_of(p));
  std::string bytes;
  for (Index i = 0; i < extents.Sq; ++i)
    for (Index j = 0; j < extents.Skv; ++j) bytes += p.allowed(0, 0, i, j) ? '\1' : '\0';
  const std::string path =
      with_raw_tensor(save(here.path("case"), inputs_of(p)), "attn_mask", "BOOL", "[12,17]", bytes);
  CHECK(run_with_json({"check", path, "--out", out}).status == 0);

  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    SafetensorsFile inputs = inputs_of(p);
    Tensor<double> bias({1, 1, 12, 17});
    bias(0, 0, 5, 3) = bad;
    inputs.tensors["bias"] = stored_tensor<double>(bias, Dtype::f64, Axes::bshd);
    const ProcessResult refused = run_ringattn({"check", save(here.path("bad"), inputs), "--out", out});
    CHECK(refused.status == 2);
    check_message(refused.err.substr(0, refused.err.size() - 1), "finite or -inf");
  }
}

TEST_CASE("padding in a case and its results may hold NaN") {
  const CaseDirectory here;
  Random random(83);
  RandomProblem<double> p = normal_problem(random, extents);
  p.scoring.mask.causal = true;
  p.padded = {first_rows_used("seqused_q", {5, 12}, 2, 12), first_rows_used("seqused_k", {17, 9}, 2, 17)};
  RandomProblem<double> clean = p;
  clean.q_positions = aligned_positions(CausalAlign::bottom_right, p.padded, 2, 12, 17);
  hide_padding(p.padded, 2, clean.q_positions, clean.kv_positions);
  SafetensorsFile results = results_of(clean);

  // NaN in every row of padding
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  fill_padding(p.padded.queries, nan, p.Q), fill_padding(p.padded.queries, nan, p.dout);
  fill_padding(p.padded.keys, nan, p.K), fill_padding(p.padded.keys, nan, p.V);
  SafetensorsFile inputs = inputs_of(p);
  inputs.tensors["seqused_q"] = stored_integers({5, 12}),
  inputs.tensors["cache_seqlens"] = stored_integers({17, 9});
  Tensor<double> out = to_tensor<double>("out", results.at("out"), Axes::bshd);
  fill_padding(p.padded.queries, nan, out);
  results.tensors["out"] = stored_tensor<double>(out, Dtype::f64, Axes::bshd);
  const std::string path = save(here.path("case"), inputs), found = save(here.path("out"), results);
  const std::vector<std::string> check{"check",          path,          "--out", found, "--causal",
                                       "--causal-align", "bottom-right"};
  const JsonResult report = run_with_json(check);
  CHECK(report.status == 0);
  CHECK(report.json["remarks"].dump().find("7 queries and 8 keys, over all sequences, are padding") !=
        std::string::npos);

  // The alignment must be given, and a wrong row that counts is found
  CHECK(run_ringattn({"check", path, "--out", found, "--causal"}).status == 2);
  out(1, 8, 2, 3) += 1;
  results.tensors["out"] = stored_tensor<double>(out, Dtype::f64, Axes::bshd);
  save(here.path("out"), results);
  CHECK(run_with_json(check).status == 1);
}

TEST_CASE("tensors of 8 bits are read with their factors") {
  const CaseDirectory here;
  Random random(84);
  RandomProblem<double> p = normal_problem(random, extents);
  p.q_positions = consecutive_positions(extents.Sq);
  SafetensorsFile others;
  others.tensors["dout"] = stored_tensor<double>(p.dout, Dtype::f32, Axes::bshd);
  std::vector<std::pair<std::string, std::string>> raw;
  const auto quantise = [&](const std::string& name, Tensor<double>& tensor,
                            const std::vector<double>& factors) {
    std::string bytes;
    for (Index n = 0; n < tensor.size(); ++n) {
      const auto x = static_cast<signed char>(std::lround(tensor.data()[n] * 30));
      bytes += static_cast<char>(x);
      tensor.data()[n] = x;
    }
    for (Index b = 0; b < 2; ++b)
      for (Index h = 0; h < tensor.shape().H; ++h)
        tensor.head(b, h) *= factors[static_cast<std::size_t>(h) % factors.size()];
    Tensor<double> stored({1, 1, 1, static_cast<Index>(factors.size())});
    std::copy(factors.begin(), factors.end(), stored.data());
    StoredTensor factor = stored_tensor<double>(stored, Dtype::f64, Axes::bshd);
    factor.shape = {static_cast<Index>(factors.size())};
    others.tensors[name + "_descale"] = factor;
    raw.emplace_back(name, bytes);
  };
  quantise("q", p.Q, {0.03, 0.05, 0.02, 0.04}), quantise("k", p.K, {0.03, 0.025}),
      quantise("v", p.V, {1.0 / 3});
  const std::string shapes[] = {"[2,12,4,10]", "[2,17,2,10]", "[2,17,2,7]"};
  std::string path = save(here.path("case"), others);
  for (std::size_t n = 0; n < raw.size(); ++n)
    with_raw_tensor(path, raw[n].first, "I8", shapes[n], raw[n].second);
  p.dout = to_tensor<double>("dout", others.at("dout"), Axes::bshd);
  const std::string out = save(here.path("out"), results_of(p));
  CHECK(run_with_json({"check", path, "--out", out}).status == 0);
  CHECK(run_ringattn({"run", "--input", path}).status == 2);

  // Without the factor of v
  for (Index n = 0; n < p.V.size(); ++n) p.V.data()[n] *= 3;
  CHECK(run_with_json({"check", path, "--out", save(here.path("wrong"), results_of(p))}).status == 1);
}
