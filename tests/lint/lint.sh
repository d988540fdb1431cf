#!/usr/bin/env bash
# clang-format, the layer check and clang-tidy over everything under src/ and tests/.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
status=0

mapfile -t sources < <(git ls-files -co --exclude-standard 'src/*.h' 'src/*.cc' 'tests/*.h' 'tests/*.cc')
echo "clang-format: ${#sources[@]} files"
clang-format-19 --dry-run --Werror "${sources[@]}" || status=1

/usr/bin/python3 tests/lint/layers.py || status=1

cmake --preset asan >/dev/null || exit 1
mapfile -t units < <(git ls-files -co --exclude-standard 'src/*.cc' | grep -vE '_(test|bench|fuzz)\.cc$')
echo "clang-tidy: ${#units[@]} files"
printf '%s\0' "${units[@]}" | xargs -0 -n 4 -P "$(nproc)" clang-tidy-19 -p build/asan --quiet 2>/dev/null || status=1

[ $status -eq 0 ] && echo "lint: ok"
exit $status
