namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>A type of 16 bits that tensor cores multiply.</summary>
internal enum MatrixType
{
    /// <summary>float16.</summary>
    Float16,

    /// <summary>bfloat16.</summary>
    BFloat16,
}
