# `cmake --install`: the headers and a package that find_package(advprop) finds.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(DIRECTORY include/advprop DESTINATION include FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inl" PATTERN "*.cuh")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(TARGETS advprop EXPORT advprop-targets)
install(EXPORT advprop-targets NAMESPACE advprop:: DESTINATION ${CMAKE_INSTALL_DATADIR}/cmake/advprop)
configure_package_config_file(cmake/advprop-config.cmake.in advprop-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_DATADIR}/cmake/advprop)
write_basic_package_version_file(advprop-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(DIRECTORY src DESTINATION ${CMAKE_INSTALL_DATADIR}/cmake/advprop)
install(FILES cmake/compiled.cmake cmake/cuda.cmake DESTINATION ${CMAKE_INSTALL_DATADIR}/cmake/advprop)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/advprop-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/advprop-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_DATADIR}/cmake/advprop)
