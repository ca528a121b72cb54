// The reader of flat JSON objects, the lines of a trace file.

#include "reference/files/json_fields.h"

#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

std::string rejection(const std::string& text) {
  return bad_input_message([&] { JsonFields(text, "[test] ", "correct it"); });
}

}  // namespace

TEST_CASE("an object has at most 256 fields, so that none takes long to read") {
  std::string fields = "{\"0\":1";
  for (int n = 1; n < 256; ++n) fields += ",\"" + std::to_string(n) + "\":1";
  CHECK(rejection(fields + "}").empty());
  check_message(rejection(fields + ",\"256\":1}"), "at most 256 fields; found more");
  check_message(rejection("{\"options\":" + fields + "}}"), "at most 256 fields; found more");
}

TEST_CASE("a field is a plain value, or a list or an object of plain values") {
  CHECK(rejection(R"({"a":[1,"x",null],"b":{"c":2}})").empty());
  for (const std::string deep : {"[[]]", "[{}]", R"({"c":[]})", R"({"c":{}})"})
    check_message(rejection("{\"a\":" + deep + "}"), "at most 2 levels");
}
