#include <doctest/doctest.h>

#include <algorithm>

#include "tests/command_line/oracle/fixtures.h"

using namespace ringattn;

namespace {

// The ids that `check` names for these results
std::vector<std::string> names(const std::string& case_path, const std::string& results) {
  const auto [status, report] = run_with_json({"check", case_path, "--out", results});
  CHECK(status == 1);
  std::vector<std::string> ids;
  for (const Json& each : report["names"]) ids.push_back(each["id"]);
  return ids;
}

bool has(const std::vector<std::string>& ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

TEST_CASE("the catalogue has at least 100 mistakes, and no field of an entry is empty") {
  const Json all = run_with_json({"mistakes"}).json["mistakes"];
  CHECK(all.size() >= 100);
  const ProcessResult table = run_ringattn({"mistakes"});
  CHECK(table.last_line().rfind(std::to_string(all.size()) + " mistakes", 0) == 0);
  for (const Json& each : all) {
    const std::string id = each["id"];
    CAPTURE(id);
    CHECK(table.out.find("\n  " + id + " ") != std::string::npos);
    for (const char* field : {"family", "title", "wrong", "fingerprint", "why", "fix"})
      CHECK(each[field].get<std::string>() != "");
    CHECK((each["forward"] == true || each["backward"] == true));
  }
}

TEST_CASE("every mistake has a variant on one of the small cases, except S0, whose scale is fitted") {
  const Json all = run_with_json({"mistakes"}).json["mistakes"];
  REQUIRE(all.size() >= 100);
  for (const Json& each : all) {
    const std::string id = each["id"];
    if (id == "S0") continue;
    CAPTURE(id);
    const Json entry = run_with_json({"mistakes", id}).json;
    CHECK(entry["readings"].size() >= 1);
  }
}

TEST_CASE("check names a simulated mistake, forward and backward") {
  const CaseDirectory here;
  const std::string c = here.case_file(), wrong = here.path("wrong.safetensors");
  for (const std::string id : {"O1", "R1", "M1", "H1", "G17"}) {
    CAPTURE(id);
    const ProcessResult made = run_ringattn({"mistakes", id, "--make", "--input", c, "--output", wrong});
    INFO(made.err);
    REQUIRE(made.status == 0);
    CHECK(read_safetensors(wrong).metadata.at("mistake") == id);
    CHECK(has(names(c, wrong), id));
  }
}

TEST_CASE("simulated results have the dtype of the case, and gradients for a mistake of the backward pass") {
  const CaseDirectory here;
  for (const std::string dtype : {"f64", "bf16"}) {
    const std::string c = here.case_file({"--dtype", dtype}), wrong = here.path("wrong.safetensors");
    const auto made = [&](const std::string& id) {
      REQUIRE(run_ringattn({"mistakes", id, "--make", "--input", c, "--output", wrong}).status == 0);
      return read_safetensors(wrong);
    };
    CHECK(made("O1").tensors.size() == 2);
    CHECK(made("G17").tensors.size() == 5);
    CHECK(name(made("O1").at("out").dtype) == dtype);
    CHECK(name(made("O1").at("lse").dtype) == std::string(dtype == "f64" ? "f64" : "f32"));
  }
}

TEST_CASE("a variant is chosen by its number or by its parameters") {
  const CaseDirectory here;
  const std::string c = here.case_file();
  const Json variants = run_with_json({"mistakes", "R9", "--input", c}).json["readings"];
  REQUIRE(variants.size() > 3);
  std::vector<std::string> make = {"mistakes", "R9", "--make", "--input", c, "--output", here.path("wrong")};
  const auto chosen = [&](std::vector<std::string> how) {
    how.insert(how.begin(), make.begin(), make.end());
    return run_with_json(how).json["reading"];
  };
  CHECK(chosen({}) == 0);
  CHECK(chosen({"--reading", "3"}) == 3);
  std::vector<std::string> with = {"--with"};
  for (const auto& [name, said] : variants[3].items()) with.push_back(name + "=" + said.get<std::string>());
  CHECK(chosen(with) == 3);
}

TEST_CASE("an invalid --make is rejected, and no file is written") {
  const CaseDirectory here;
  const std::string c = here.case_file(), wrong = here.path("wrong");
  const auto refused = [&](std::vector<std::string> arguments, const std::string& part) {
    arguments.insert(arguments.end(), {"--make", "--input", c, "--output", wrong});
    arguments.insert(arguments.begin(), "mistakes");
    expect_rejection(arguments, part);
  };
  refused({"R1", "--devices", "1"}, "cannot occur on this case");
  refused({"X99"}, "found \"X99\"");
  refused({}, "found no ID");
  refused({"R9", "--reading", "100000"}, "has the variants 0 to");
  refused({"R9", "--with", "moon=full"}, "the parameters must be those of a variant");
  expect_rejection({"mistakes", "O1", "--make"}, "--make requires --input");
  expect_rejection({"mistakes", "O1", "--devices", "2"}, "requires --input");
  expect_rejection({"mistakes", "O1", "--make", "--input", c, "--output", c}, "one purpose");
  expect_rejection({"mistakes", "O1", "--make", "--input", here.path("none"), "--output", wrong},
                   "must exist");
  SafetensorsFile forward = read_safetensors(c);
  forward.tensors.erase("dout");
  const std::string without = save(here.path("forward"), forward);
  expect_rejection({"mistakes", "G17", "--make", "--input", without, "--output", wrong},
                   "the case has no dout");
  CHECK(here.directory.files() == 2);
}
