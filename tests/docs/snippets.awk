# Turns the C++ in Markdown files into one source file: ```cpp file is declarations, ```cpp statements of a function.
# Each file has a namespace of its own; #line has errors point into the document.
BEGIN {
  print "#include \"prelude.hpp\""
}
FNR == 1 {
  if (open_namespace) print "}  // namespace"
  ++files
  print "namespace document" files " {"
  print "using namespace documents;"
  open_namespace = 1
}
/^```cpp/ {
  inside = 1
  in_function = $2 != "file"
  ++snippets
  if (in_function) print "[[maybe_unused]] void snippet" snippets "() {"
  print "#line " FNR + 1 " \"" FILENAME "\""
  next
}
/^```/ && inside {
  inside = 0
  if (in_function) print "}"
  next
}
inside && !/^(#include|using namespace)/ { print }
END {
  print "}  // namespace"
  print "static_assert(" snippets " > 0);"
}
