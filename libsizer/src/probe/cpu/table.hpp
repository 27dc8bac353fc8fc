/// @file
/// The table of one instruction set. Included inside namespace SIZER_ISA, after the kernels.

constexpr cpu_kernels table_of(const char* name) {
  cpu_kernels table{};
  table.name = name;
  table.streaming_stores = SIZER_STREAMING_STORES != 0;
  table.read = read_words;
  table.copy = copy_bytes;
  table.write = write_bytes;
  table.triad = triad_floats;
#if SIZER_CAN_FLUSH
  table.flush = flush_lines;
#endif
  table.matvec_f16 = matvec_f16;
  table.matvec_q8_0 = matvec_q8_0;
  table.matvec_q4_0 = matvec_q4_0;
  table.matvec_q4_k = matvec_q4_k;
  table.attention_f16 = attention_f16;
  table.attention_q8_0 = attention_q8_0;
  table.attention_by_row_f16 = attention_by_row_f16;
  table.attention_by_row_q8_0 = attention_by_row_q8_0;
  table.gemm_f32 = &gemm_f32_kernel;
#if defined(SIZER_GEMM_INT8)
  table.gemm_int8 = &gemm_int8_kernel;
#endif
  return table;
}
