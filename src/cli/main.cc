// sluice: the command line. arguments.h says what it understands.
#include "cli/arguments.h"

int main(int argc, char** argv) {
  return sluice::cli::run(argc, argv);
}
