namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>A parameter with the address and the number of elements of memory on the device.</summary>
/// <param name="writer">The writer.</param>
/// <param name="name">The name of the parameter.</param>
internal sealed class PtxView(PtxWriter writer, string name)
{
    /// <summary>The address of the first byte.</summary>
    public U64 Address { get; } = writer.LoadAddress(name);

    /// <summary>Elements; less than 2³².</summary>
    public U32 Length => writer.LoadInteger(name, sizeof(ulong));
}
