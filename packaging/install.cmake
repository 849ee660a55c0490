# What `cmake --install` puts where.  The .deb and the .rpm are made of this.
#
# Components: plugin (the shared object, Lua files, its configuration), dev (what
# a host's developer needs), host (host-sim).
include(CMakePackageConfigHelpers)

set(MSYS_SYSTEMD_DIR lib/systemd/system CACHE STRING "where systemd units go")
set(msys_plugins_dir ${CMAKE_INSTALL_LIBDIR}/msys/plugins)
set(msys_data_dir ${CMAKE_INSTALL_DATADIR}/msys)
set(msys_doc_dir ${CMAKE_INSTALL_DATADIR}/doc)
set(msys_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/msys-plugin)
set(packaging ${PROJECT_SOURCE_DIR}/packaging)

# Fills in @names@ when it is installed: only then is the prefix known
# (`cmake --install build --prefix DIR`).
function(msys_install_filled_in template directory component)
  get_filename_component(name ${template} NAME)
  string(REGEX REPLACE "\\.in$" "" name ${name})
  install(CODE "
    set(VERSION ${PROJECT_VERSION})
    get_filename_component(prefix \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
    set(bindir ${CMAKE_INSTALL_BINDIR})
    set(includedir ${CMAKE_INSTALL_INCLUDEDIR})
    set(plugins_dir ${msys_plugins_dir})
    set(data_dir ${msys_data_dir})
    set(doc_dir ${msys_doc_dir})
    set(sysconfdir \"${CMAKE_INSTALL_SYSCONFDIR}\")
    if(NOT IS_ABSOLUTE \"\${sysconfdir}\")
      set(sysconfdir \"\${prefix}/\${sysconfdir}\")
    endif()
    string(TIMESTAMP DATE \"%Y-%m-%d\" UTC)  # SOURCE_DATE_EPOCH's, if it is set
    configure_file(\"${template}\" \"${PROJECT_BINARY_DIR}/installed/${name}\" @ONLY)"
    COMPONENT ${component})
  install(FILES ${PROJECT_BINARY_DIR}/installed/${name} DESTINATION ${directory}
          COMPONENT ${component})
endfunction()

# The plugin.
install(TARGETS runinpool LIBRARY DESTINATION ${msys_plugins_dir} COMPONENT plugin)
# Where a plain Lua interpreter looks for it: require "msys".
string(REGEX MATCH "^[0-9]+\\.[0-9]+" lua_abi "${LUA_VERSION}")
set(lua_module_dir ${CMAKE_INSTALL_LIBDIR}/lua/${lua_abi})
file(RELATIVE_PATH to_plugin /${lua_module_dir} /${msys_plugins_dir}/runinpool.so)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/installed)
file(CREATE_LINK ${to_plugin} ${PROJECT_BINARY_DIR}/installed/msys.so SYMBOLIC)
install(FILES ${PROJECT_BINARY_DIR}/installed/msys.so DESTINATION ${lua_module_dir}
        COMPONENT plugin)
install(DIRECTORY lua/ DESTINATION ${msys_data_dir}/lua COMPONENT plugin
        FILES_MATCHING PATTERN "*.d.lua" PATTERN examples EXCLUDE)
install(FILES packaging/etc/runinpool.conf
        DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/msys COMPONENT plugin)
msys_install_filled_in(${packaging}/man/msys-runInPool.3lua.in
                       ${CMAKE_INSTALL_MANDIR}/man3 plugin)

# For a host's developer.
install(DIRECTORY plugin/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        COMPONENT dev)
set_target_properties(msys_plugin_abi PROPERTIES EXPORT_NAME plugin)
install(TARGETS msys_plugin_abi EXPORT msys-plugin COMPONENT dev)
install(EXPORT msys-plugin NAMESPACE msys:: FILE msys-plugin-targets.cmake
        DESTINATION ${msys_cmake_dir} COMPONENT dev)
set(MSYS_PLUGIN_FILE ${msys_plugins_dir}/runinpool.so)
configure_package_config_file(
  packaging/cmake/msys-plugin-config.cmake.in
  ${PROJECT_BINARY_DIR}/installed/msys-plugin-config.cmake
  INSTALL_DESTINATION ${msys_cmake_dir} PATH_VARS MSYS_PLUGIN_FILE)
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/installed/msys-plugin-config-version.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/installed/msys-plugin-config.cmake
              ${PROJECT_BINARY_DIR}/installed/msys-plugin-config-version.cmake
        DESTINATION ${msys_cmake_dir} COMPONENT dev)
msys_install_filled_in(${packaging}/cmake/msys-plugin.pc.in
                       ${CMAKE_INSTALL_LIBDIR}/pkgconfig dev)
msys_install_filled_in(${packaging}/man/msys-plugin.3.in
                       ${CMAKE_INSTALL_MANDIR}/man3 dev)
install(DIRECTORY packaging/example-host/
        DESTINATION ${msys_doc_dir}/msys-runinpool-dev/examples/host COMPONENT dev)

# host-sim, with mail and policies to try it on.
if(TARGET host-sim)
  install(TARGETS host-sim COMPONENT host)
  install(DIRECTORY host-sim/corpus/ DESTINATION ${msys_data_dir}/mail
          COMPONENT host FILES_MATCHING PATTERN "*.eml")
  install(DIRECTORY lua/examples/ DESTINATION ${msys_data_dir}/policies
          COMPONENT host FILES_MATCHING PATTERN "*.lua")
  msys_install_filled_in(${packaging}/etc/host-sim.conf.in
                         ${CMAKE_INSTALL_SYSCONFDIR}/msys host)
  msys_install_filled_in(${packaging}/etc/listener.conf.in
                         ${CMAKE_INSTALL_SYSCONFDIR}/msys host)
  msys_install_filled_in(${packaging}/systemd/host-sim.service.in
                         ${MSYS_SYSTEMD_DIR} host)
  msys_install_filled_in(${packaging}/man/host-sim.1.in
                         ${CMAKE_INSTALL_MANDIR}/man1 host)
  msys_install_filled_in(${packaging}/man/host-sim.conf.5.in
                         ${CMAKE_INSTALL_MANDIR}/man5 host)
endif()

if(MSYS_BUILD_TESTS AND TARGET host-sim)
  add_test(NAME packaging_man
    COMMAND ${packaging}/tests/check-man.sh ${PROJECT_BINARY_DIR})
  add_test(NAME packaging_install
    COMMAND ${packaging}/tests/check-install.sh ${PROJECT_BINARY_DIR} ${MSYS_LUA})
  set_tests_properties(packaging_man PROPERTIES LABELS packaging TIMEOUT 60
    ENVIRONMENT "${MSYS_TEST_ENVIRONMENT}")
  set_tests_properties(packaging_install PROPERTIES LABELS packaging TIMEOUT 300)
  if(MSYS_SANITIZE)
    # An unsanitized program, such as lua5.4, cannot load a sanitized plugin.
    set_tests_properties(packaging_install PROPERTIES DISABLED ON)
  endif()
endif()
