# Writes ${out}: the files of the report's page as C++ constants.
# Byte by byte, so that no character in them can mean something else.
set(text "// Made by report_page/embed.cmake.\n#include \"report_page_parts.h\"\n\nnamespace hostsim {\nnamespace {\n\n")
set(views "")
foreach(kind Html Css Js)
  string(TOLOWER ${kind} suffix)
  file(READ ${CMAKE_CURRENT_LIST_DIR}/page.${suffix} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "((0x..,){16})" "\\1\n    " bytes "${bytes}")
  string(APPEND text
    "constexpr unsigned char k${kind}[] = {\n    ${bytes}\n};\n")
  string(APPEND views
    "const std::string_view kReportPage${kind}(\n    reinterpret_cast<const char*>(k${kind}), sizeof k${kind});\n")
endforeach()
file(WRITE ${out} "${text}\n}  // namespace\n\n${views}\n}  // namespace hostsim\n")
