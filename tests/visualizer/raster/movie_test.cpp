// Movies: what ffmpeg receives, and what happens if it fails.

#include "visualizer/raster/movie.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>

#include <chrono>
#include <thread>

#include "tests/support/file_fixtures.h"

using namespace ringattn;
using namespace ringattn::viz;
namespace fs = std::filesystem;

namespace {

// For the lifetime of this object, programs are searched here first, or only here.
class Path {
 public:
  explicit Path(const fs::path& first, bool only = false) : before_(getenv("PATH")) {
    setenv("PATH", (first.string() + (only ? "" : ":" + before_)).c_str(), 1);
  }
  ~Path() { setenv("PATH", before_.c_str(), 1); }
  Path(const Path&) = delete;

 private:
  std::string before_;
};

void write_ffmpeg(const fs::path& directory, const std::string& script) {
  fs::permissions(write_file(directory / "ffmpeg", "#!/bin/sh\n" + script + "\n"), fs::perms::owner_all);
}

// The last argument of ffmpeg is "file:" and the path
const std::string keeps_what_it_reads = "for last; do :; done\nexec cat > \"${last#file:}\"";

Image picture(std::uint8_t gray) {
  Image image(64, 64);
  std::fill(image.rgba.begin(), image.rgba.end(), gray);
  return image;
}

void make_movie(const fs::path& path, int pictures, const MovieOptions& options = {},
                std::chrono::milliseconds later = {}) {
  MovieWriter movie(path, 64, 64, options);
  std::this_thread::sleep_for(later);
  for (int i = 0; i < pictures; ++i) movie.add(picture(static_cast<std::uint8_t>(i)));
  movie.finish();
}

}  // namespace

TEST_CASE("ffmpeg receives every picture once, in order") {
  const TemporaryDirectory directory, programs;
  write_ffmpeg(programs.path, keeps_what_it_reads);
  const Path path(programs.path);
  const fs::path movie = directory.path / "it's \"a\" $(movie) ; of * pictures.mp4";
  make_movie(movie, 3);
  std::string wanted;
  for (const char gray : {0, 1, 2}) wanted.append(64 * 64 * 4, gray);
  const bool same = read_file(movie) == wanted;
  CHECK(same);
  CHECK(directory.files() == 1);
}

TEST_CASE("without ffmpeg, the error names its package and the alternative") {
  const TemporaryDirectory directory;
  const Path path(directory.path, true);
  const std::string sentence = bad_input_message([&] { make_movie(directory.path / "a.gif", 3); });
  check_message(sentence, "install Debian's package ffmpeg");
  check_message(sentence, "a path that ends in .png");
  CHECK(directory.files() == 0);
}

TEST_CASE("if ffmpeg fails, its error is shown and the file is unchanged") {
  const TemporaryDirectory directory, programs;
  write_ffmpeg(programs.path, "cat > /dev/null\necho 'no such\ncodec' >&2\nexit 3");
  const Path path(programs.path);
  const fs::path movie = write_file(directory.path / "a.mp4", "before");
  const std::string sentence = bad_input_message([&] { make_movie(movie, 3); });
  check_message(sentence, "status 3");
  check_message(sentence, "no such codec");
  CHECK(read_file(movie) == "before");
  CHECK(directory.files() == 1);
}

TEST_CASE("a long error output of ffmpeg is shortened") {
  const TemporaryDirectory directory, programs;
  write_ffmpeg(programs.path,
               "i=0; while [ $i -lt 5000 ]; do echo \"line $i of many\" >&2; i=$((i+1)); done; exit 1");
  const Path path(programs.path);
  const std::string sentence = bad_input_message([&] { make_movie(directory.path / "a.mp4", 3); });
  check_message(sentence, "line 4999 of many");
  CHECK(sentence.size() < 600);
}

TEST_CASE("if ffmpeg closes its input, the movie fails and the program continues") {
  const TemporaryDirectory directory, programs;
  const Path path(programs.path);
  signal(SIGPIPE, SIG_DFL);
  for (const bool late : {false, true}) {
    for (const char* script : {"exit 1", "exit 0", "kill -9 $$"}) {
      write_ffmpeg(programs.path, script);
      const fs::path movie = write_file(directory.path / "a.mp4", "before");
      check_message(
          bad_input_message([&] { make_movie(movie, 500, {}, std::chrono::milliseconds(late ? 100 : 0)); }),
          "[movie] ffmpeg did not complete the movie");
      CHECK(read_file(movie) == "before");
    }
  }
}

TEST_CASE("an abandoned movie leaves no file") {
  const TemporaryDirectory directory, programs;
  write_ffmpeg(programs.path, keeps_what_it_reads);
  const Path path(programs.path);
  {
    MovieWriter movie(directory.path / "a.webm", 64, 64);
    movie.add(picture(1));
  }
  CHECK(directory.files() == 0);
}

TEST_CASE("numbered pictures need no ffmpeg") {
  const TemporaryDirectory directory;
  const Path path(directory.path, true);
  make_movie(directory.path / "a.png", 3);
  CHECK(read_png(directory.path / "a_0002.png").pixel(0, 0)[0] == 2);
  CHECK(directory.files() == 3);
  make_movie(directory.path / "b.mp4", 2, {.pictures = true});
  CHECK(read_png(directory.path / "b_0001.png").pixel(0, 0)[0] == 1);
  CHECK(directory.files() == 5);
}

TEST_CASE("an invalid movie is rejected") {
  const TemporaryDirectory directory, programs;
  write_ffmpeg(programs.path, keeps_what_it_reads);
  const Path path(programs.path);
  check_message(bad_input_message([&] { make_movie(directory.path / "a.avi", 1); }),
                "must end in .mp4, .webm, .gif or .png");
  check_message(bad_input_message([&] { make_movie(directory.path / "a.mp4", 0); }), "at least one picture");
  check_message(bad_input_message([&] { make_movie(directory.path / "a.mp4", 1, {.fps = 0}); }),
                "1 to 240 pictures per second");
  check_message(bad_input_message([&] { make_movie(directory.path / "a.gif", 1, {.gif_width = 1}); }),
                "at least 64 pixels");
  check_message(bad_input_message([&] { make_movie(directory.path / "missing" / "a.mp4", 1); }),
                "No such file or directory");
  MovieWriter movie(directory.path / "a.mp4", 64, 64);
  check_message(bad_input_message([&] { movie.add(Image(32, 64)); }), "all pictures must have the same size");
  check_message(bad_input_message([&] { movie.add(Image(64, 32)); }), "all pictures must have the same size");
  CHECK(directory.files() == 1);  // the output file in progress
}

TEST_CASE("ffmpeg makes movies of all three kinds") {
  if (std::system("ffmpeg -version > /dev/null 2>&1") != 0) {
    MESSAGE("left out: there is no ffmpeg");
    return;
  }
  const TemporaryDirectory directory;
  make_movie(directory.path / "a.mp4", 5);
  CHECK(read_file(directory.path / "a.mp4").substr(4, 4) == "ftyp");
  make_movie(directory.path / "a.gif", 5);
  CHECK(read_file(directory.path / "a.gif").substr(0, 6) == "GIF89a");
  make_movie(directory.path / "a.webm", 5);
  CHECK(read_file(directory.path / "a.webm").substr(0, 4) == "\x1A\x45\xDF\xA3");
  CHECK(directory.files() == 3);
}
