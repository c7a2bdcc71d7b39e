# Install rules: three components of one CMake package (headers, kthena, c) and a relocatable pkg-config file for the C library.
# Each component has its own export file, so that a user of the headers or of libkthena.so needs no Abseil.
include(CMakePackageConfigHelpers)
set(kthena_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/kthena")

install(DIRECTORY include/kthena DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev
        FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h" PATTERN "*.def")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/kthena" COMPONENT dev)

install(TARGETS kthena_headers EXPORT kthena-headers)
install(TARGETS kthena EXPORT kthena-kthena ARCHIVE COMPONENT dev)
install(TARGETS kthena_c EXPORT kthena-c LIBRARY COMPONENT lib NAMELINK_COMPONENT dev RUNTIME COMPONENT lib)
foreach(part headers kthena c)
  install(EXPORT kthena-${part} NAMESPACE kthena:: DESTINATION "${kthena_package_dir}" FILE kthena-${part}-targets.cmake
          COMPONENT dev)
endforeach()

configure_package_config_file(cmake/kthena-config.cmake.in "${PROJECT_BINARY_DIR}/package/kthena-config.cmake"
                              INSTALL_DESTINATION "${kthena_package_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/kthena-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/package/kthena-config.cmake" "${PROJECT_BINARY_DIR}/package/kthena-config-version.cmake"
        DESTINATION "${kthena_package_dir}" COMPONENT dev)

# The prefix is found from where the .pc file lies: up from <libdir>/pkgconfig, whatever the depth of libdir (lib, lib64, lib/<triplet>).
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(KTHENA_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  set(KTHENA_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
  set(KTHENA_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" up "${up}")
  set(KTHENA_PC_PREFIX "\${pcfiledir}/${up}")
  set(KTHENA_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(KTHENA_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
set(KTHENA_PC_PRIVATE "-lstdc++ -lm")
if(KTHENA_ABSL_TARGETS)
  string(PREPEND KTHENA_PC_PRIVATE "-labsl_raw_hash_set -labsl_raw_logging_internal ")
endif()
configure_file(cmake/kthena.pc.in "${PROJECT_BINARY_DIR}/package/kthena.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/package/kthena.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT dev)
