using System.Runtime.InteropServices;
using MsResampler.Server.Limits;

namespace MsResampler.Server.Inputs;

/// <summary>The values of a tensor of integers.</summary>
/// <param name="count">The number of values.</param>
/// <param name="memory">Where their memory is reserved.</param>
internal sealed class IntegerValues(int count, MemoryLease memory) : TensorValues
{
    private int _bytesReceived;

    /// <summary>The values, once all have arrived.</summary>
    public int[] Values { get; private set; } = [];

    /// <summary>Takes the next values.</summary>
    public void Append(ReadOnlySpan<int> values) => AppendRaw(MemoryMarshal.AsBytes(values));

    public override void AppendRaw(ReadOnlySpan<byte> bytes)
    {
        if (Values.Length == 0)
        {
            memory.Grow((long)count * sizeof(int));
            Values = new int[count];
        }

        bytes.CopyTo(MemoryMarshal.AsBytes(Values.AsSpan())[_bytesReceived..]);
        _bytesReceived += bytes.Length;
    }

    public override void Dispose()
    {
    }
}
