// How `check` reads submitted results: formats, shardings, axis orders.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "reference/definition/layout.h"
#include "tests/command_line/oracle/fixtures.h"

using namespace ringattn;

TEST_CASE("the result of a correct ring passes, with the sharding read from the metadata") {
  const CaseDirectory here;
  const std::string c = here.case_file({"--causal", "--layout", "zigzag"});
  const auto [status, report] = run_with_json({"check", c, "--out", here.right_results(c)});
  CHECK(status == 0);
  CHECK(report["verdict"] == "pass");
  CHECK(report["tensors"].size() == 5);
}

TEST_CASE("results in .npy files get the same report as in safetensors") {
  const CaseDirectory here;
  const std::string c = here.case_file(), right = here.right_results(c);
  const SafetensorsFile results = read_safetensors(right);
  std::vector<std::string> arguments = {"check", c};
  for (const std::string name : {"out", "lse", "dq", "dk", "dv"}) {
    const std::string option = "--" + name;
    arguments.insert(arguments.end(), {option, save_npy(here.path(name + ".npy"), results.at(name))});
  }
  CHECK(run_with_json(arguments).json == run_with_json({"check", c, "--out", right}).json);
}

TEST_CASE("one .npy file per device is assembled according to the layout") {
  const CaseDirectory here;
  const std::string c = here.case_file({"--layout", "striped"});
  const SafetensorsFile results = read_safetensors(here.right_results(c));
  const Tensor<double> out = to_tensor<double>("out", results.at("out"), Axes::bshd);
  std::vector<std::string> arguments = {"check", c, "--out"};
  for (int device = 0; device < 4; ++device) {
    const Tensor<double> shard =
        select_rows(out.view(), rows_of_device(Layout::striped, device, 4, out.shape().S));
    arguments.push_back(save_npy(here.path("rank" + std::to_string(device) + ".npy"),
                                 stored_tensor<double>(shard, Dtype::f32, Axes::bshd)));
  }
  CHECK(run_with_json(arguments).json["verdict"] == "pass");
  expect_rejection({arguments.begin(), arguments.end() - 1}, "found 3 files for 4 devices");
  arguments.insert(arguments.end(), {"--layout", "zigzag"});
  CHECK(run_with_json(arguments).json["verdict"] == "fail");
}

TEST_CASE(
    "files of the devices of USP are joined by the ring of their groups, whose blocks the report names") {
  const CaseDirectory here;
  const std::string c = here.case_file({"--causal", "--layout", "zigzag"}),
                    wrong = here.path("wrong.safetensors");
  REQUIRE(
      run_ringattn({"mistakes", "R14", "--make", "--input", c, "--devices", "2", "--output", wrong}).status ==
      0);
  const Tensor<double> out = to_tensor<double>("out", read_safetensors(wrong).at("out"), Axes::bshd);

  // The zigzag of two groups: rows 0..7 24..31, and 8..23
  std::vector<std::string> arguments = {"check", c, "--strategy", "usp", "--group", "2", "--out"};
  for (int device = 0; device < 4; ++device) {
    const std::vector<Index> of_group = rows_of_device(Layout::zigzag, device / 2, 2, out.shape().S);
    const auto begin = of_group.begin() + device % 2 * 8;
    const Tensor<double> shard = select_rows(out.view(), {begin, begin + 8});
    arguments.push_back(save_npy(here.path("rank" + std::to_string(device) + ".npy"),
                                 stored_tensor<double>(shard, Dtype::f32, Axes::bshd)));
  }
  const Json report = run_with_json(arguments).json;
  const Json whole = run_with_json({"check", c, "--strategy", "usp", "--group", "2", "--out", wrong}).json;
  CHECK(report["tensors"]["out"] == whole["tensors"]["out"]);
  CHECK(report["names"][0]["id"] == "R14");
  CHECK(report["blocks"]["weight"].size() == 2);
  CHECK(report.dump().find("the ring has 2 groups of 2 devices") != std::string::npos);
  expect_rejection({"check", c, "--strategy", "usp", "--group", "3", "--out", wrong},
                   "choose a divisor of 4");
  expect_rejection({"check", c, "--strategy", "usp", "--out", wrong}, "must be given");
}

TEST_CASE("results that do not match the case are rejected") {
  const CaseDirectory here;
  const std::string c = here.case_file(), right = here.right_results(c);
  const SafetensorsFile results = read_safetensors(right);
  const std::string lse = save_npy(here.path("lse.npy"), results.at("lse"));
  for (const std::string command : {"check", "laws", "spectrum"}) {
    const std::string where = "[" + command + "]";
    expect_rejection({command, c}, where + " there must be results");
    expect_rejection({command, c, "--out", c}, where);
    expect_rejection({command, c, "--out", here.path("missing.npy")}, "the file must exist");
    expect_rejection({command, c, "--out", lse}, "rank 4");
    expect_rejection({command, c, "--out", right, "--lse", lse}, "found lse in two files");
    expect_rejection({command, c, "--out", right, "--axes", "bhsd"}, where + " out must have the shape");
    expect_rejection({command, c, "--dq", lse}, "rank 4");
    expect_rejection({command, here.path("missing"), "--out", right}, "the file must exist");
    expect_rejection({command, c, "--out", right, "--json", right}, "for --out and --json");
  }
  CHECK(read_safetensors(right) == results);
}

TEST_CASE("results that are all NaN, infinite or 0 get a verdict") {
  const CaseDirectory here;
  const std::string c = here.case_file(), right = here.right_results(c);
  SafetensorsFile results = read_safetensors(right);
  for (const float number : {NAN, INFINITY, 0.f})
    for (const std::string command : {"check", "laws", "spectrum"}) {
      for (auto& [name, tensor] : results.tensors)
        for (std::size_t at = 0; at < tensor.bytes.size(); at += sizeof number)
          std::memcpy(tensor.bytes.data() + at, &number, sizeof number);
      const auto [status, report] =
          run_with_json({command, c, "--out", save(here.path("bad.safetensors"), results)});
      CHECK(status == (command == "spectrum" ? 0 : 1));
    }
}
