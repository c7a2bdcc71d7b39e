# kthena_flags: warnings and sanitizers for our own translation units. Never exported.
add_library(kthena_flags INTERFACE)

# {.id = "a"} is how requests and endpoints are written here: members left out have their defaults, which GCC calls missing.
if(KTHENA_WARNINGS)
  target_compile_options(kthena_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow
                                                  "$<$<COMPILE_LANGUAGE:CXX>:-Wconversion;-Wno-missing-field-initializers>")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(kthena_flags INTERFACE -Wno-restrict) # GCC bug 105651: false alarms inside std::string
  endif()
  if(KTHENA_WERROR)
    target_compile_options(kthena_flags INTERFACE -Werror)
    if(KTHENA_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # GCC's manual: with instrumentation these see paths that cannot be taken.
      target_compile_options(kthena_flags INTERFACE -Wno-error=maybe-uninitialized -Wno-error=array-bounds
                                                    -Wno-error=stringop-overflow -Wno-error=stringop-overread
                                                    -Wno-error=restrict -Wno-error=nonnull -Wno-error=tsan)
    endif()
  endif()
endif()

# Sanitizers go on everything in this directory, so that no object escapes them.
# An if() and not a generator expression: "address,undefined" has a comma.
if(KTHENA_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "KTHENA_FUZZ needs clang (-DCMAKE_CXX_COMPILER=clang++ -DCMAKE_C_COMPILER=clang)")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(KTHENA_SANITIZE)
  add_compile_options(-fsanitize=${KTHENA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${KTHENA_SANITIZE})
endif()
