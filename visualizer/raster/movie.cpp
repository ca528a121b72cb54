#include "visualizer/raster/movie.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>
#include <vector>

#include "reference/definition/bad_input.h"
#include "reference/files/json.h"
#include "reference/files/output_file.h"
#include "reference/files/temporary_file.h"
#include "visualizer/raster/program_pipe.h"

namespace ringattn::viz {

namespace fs = std::filesystem;

namespace {

constexpr const char* way_out = "give a path that ends in .png, for numbered pictures";

// How ffmpeg is to write a file that ends so, in words between blanks
std::string encoding(const std::string& ending, const MovieOptions& options) {
  if (ending == ".gif") {
    // The colours that matter are those that change; dithering would make flat colours noisy and files large
    return "-vf fps=" + std::to_string(options.gif_fps) + ",scale='min(iw," +
           std::to_string(options.gif_width) +
           ")':-1:flags=lanczos,split[a][b];[a]palettegen=max_colors=128:stats_mode=diff[p];"
           "[b][p]paletteuse=dither=none:diff_mode=rectangle -loop 0";
  }
  // An even number of pixels each way, and colours as players expect them
  const std::string colors =
      "-vf crop=trunc(iw/2)*2:trunc(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p "
      "-colorspace bt709 -color_primaries bt709 -color_trc bt709 ";
  if (ending == ".mp4") return colors + "-c:v libx264 -preset medium -crf 18 -movflags +faststart";
  return colors + "-c:v libvpx-vp9 -crf 30 -b:v 0 -deadline good -cpu-used 4 -row-mt 1";
}

std::vector<std::string> ffmpeg_command(const std::string& ending, const fs::path& into, int width,
                                        int height, const MovieOptions& options) {
  std::istringstream words("ffmpeg -nostdin -loglevel error -y -f rawvideo -pix_fmt rgba -s " +
                           std::to_string(width) + "x" + std::to_string(height) + " -r " +
                           std::to_string(options.fps) + " -i - " + encoding(ending, options));
  std::vector<std::string> command{std::istream_iterator<std::string>(words), {}};
  command.push_back("file:" + into.string());
  return command;
}

void check(const MovieOptions& options) {
  require(options.fps >= 1 && options.fps <= 240 && options.gif_fps >= 1 && options.gif_fps <= 50,
          "[movie] a movie shows 1 to 240 pictures a second, a GIF 1 to 50; ", options.fps, " and ",
          options.gif_fps, " were asked for; 30 and 15 are usual");
  require(options.gif_width >= 64, "[movie] a GIF is at least 64 pixels wide; ", options.gif_width,
          " were asked for; 960 are usual");
}

}  // namespace

// What ffmpeg makes goes to a file of its own, and to its place only when it is known to be good.
struct MovieWriter::Encoder {
  OutputFile target;
  TemporaryFile encoded;
  ProgramPipe ffmpeg;

  Encoder(const fs::path& path, const std::string& ending, int width, int height, const MovieOptions& options)
      : target(path),
        encoded(fs::temp_directory_path(), ending),
        ffmpeg(ffmpeg_command(ending, encoded.path(), width, height, options)) {}

  void add(const Image& picture) {
    if (!ffmpeg.write(picture.rgba)) refuse(ffmpeg.finish());
  }

  void finish() {
    if (const int status = ffmpeg.finish(); status != 0) refuse(status);
    std::ifstream movie(encoded.path(), std::ios::binary);
    target.stream() << movie.rdbuf();
    target.commit();
  }

  [[noreturn]] void refuse(int status) const {
    throw BadInput("[movie] ffmpeg must make the movie; it ended with status " + std::to_string(status) +
                   " and said " + in_quotes(ffmpeg.complaint()) + "; mend that, or " + way_out);
  }
};

MovieWriter::MovieWriter(const fs::path& path, int width, int height, const MovieOptions& options)
    : path_(path), width_(width), height_(height) {
  check(options);
  const std::string ending = path.extension().string();
  require(ending == ".mp4" || ending == ".webm" || ending == ".gif" || ending == ".png",
          "[movie] a movie ends in .mp4, .webm, .gif or .png; ", in_quotes(path.string()),
          " does not; name it so");
  if (ending == ".png" || options.pictures) return;
  try {
    encoder_ = std::make_unique<Encoder>(path, ending, width, height, options);
  } catch (const std::system_error& failure) {
    throw BadInput("[movie] " + ending + " is made by ffmpeg; it cannot be started (" +
                   failure.code().message() + "); install Debian's package ffmpeg, or " + way_out);
  }
}

MovieWriter::~MovieWriter() = default;

fs::path MovieWriter::picture_path(int number) const {
  char digits[16];
  std::snprintf(digits, sizeof digits, "_%04d.png", number);
  fs::path path = path_;
  return path.replace_filename(path_.stem().string() + digits);
}

void MovieWriter::add(const Image& picture) {
  require(picture.width == width_ && picture.height == height_,
          "[movie] its pictures have one size; picture ", count_, " has ", picture.width, " x ",
          picture.height, " pixels and not ", width_, " x ", height_, "; draw all on one screen");
  if (encoder_) {
    encoder_->add(picture);
  } else {
    write_png(picture_path(count_), picture);
  }
  ++count_;
}

void MovieWriter::finish() {
  require(count_ > 0,
          "[movie] a movie shows something; there is no picture; ask for a longer part of the run");
  if (encoder_) encoder_->finish();
}

}  // namespace ringattn::viz
