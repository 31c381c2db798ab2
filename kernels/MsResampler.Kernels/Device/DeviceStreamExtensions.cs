namespace MsResampler.Kernels.Device;

/// <summary>What every stream offers in addition.</summary>
internal static class DeviceStreamExtensions
{
    /// <summary>Copies to the device. The source may be overwritten when the call returns.</summary>
    public static unsafe void Upload(this IDeviceStream stream, ReadOnlySpan<byte> source, IDeviceMemory destination,
        long byteOffset = 0)
    {
        fixed (byte* bytes = source)
            stream.Upload(HostRows.Of(bytes, source.Length), destination, byteOffset);
    }

    /// <summary>Waits until the stream uses no memory any more, after work that failed.</summary>
    public static void Settle(this IDeviceStream stream)
    {
        try
        {
            stream.Synchronize();
        }
        catch (DeviceException)
        {
            // The exception that is being thrown came first and says more.
        }
    }
}
