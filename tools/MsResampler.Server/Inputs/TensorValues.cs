namespace MsResampler.Server.Inputs;

/// <summary>The values of an input tensor, which reserve their memory when the first of them arrives. The caller has
/// checked that there is room for what it appends.</summary>
internal abstract class TensorValues : IDisposable
{
    /// <summary>Takes the next raw bytes.</summary>
    public abstract void AppendRaw(ReadOnlySpan<byte> bytes);

    /// <summary>Takes all raw bytes, and keeps them if their format allows.</summary>
    public virtual void UseRaw(ReadOnlyMemory<byte> bytes) => AppendRaw(bytes.Span);

    public abstract void Dispose();
}
