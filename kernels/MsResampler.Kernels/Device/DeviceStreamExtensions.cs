namespace MsResampler.Kernels.Device;

/// <summary>What every stream offers in addition.</summary>
internal static class DeviceStreamExtensions
{
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
