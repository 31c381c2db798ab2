namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>A kernel that writes its PTX text itself, because it needs instructions with more registers than a method
/// of ILGPU can have. The type arguments of the class are the configuration, as for all kernels.</summary>
internal interface IWrittenKernel
{
    /// <summary>Writes the parameters and the body of the entry function.</summary>
    static abstract void Write(PtxWriter writer);
}
