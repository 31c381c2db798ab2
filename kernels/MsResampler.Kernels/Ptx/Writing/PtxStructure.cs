using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>A parameter with a structure of the host.</summary>
/// <param name="writer">The writer.</param>
/// <param name="name">The name of the parameter.</param>
/// <param name="type">The structure.</param>
internal sealed class PtxStructure(PtxWriter writer, string name, Type type)
{
    /// <summary>Loads a field with an integer.</summary>
    /// <param name="field">Its name.</param>
    public U32 Integer(string field) => writer.LoadParameter(name, OffsetOf(field));

    /// <summary>Loads a field with a float.</summary>
    /// <param name="field">Its name.</param>
    public F32 Float(string field) => writer.LoadFloatParameter(name, OffsetOf(field));

    private int OffsetOf(string field) => (int)Marshal.OffsetOf(type, field);
}
