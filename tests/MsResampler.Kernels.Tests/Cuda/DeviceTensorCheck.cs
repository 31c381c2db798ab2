namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Calls whose features and tokens are on the device, whatever is behind the driver.</summary>
internal static class DeviceTensorCheck
{
    /// <summary>Asserts that tokens have the bits of a call for the host, with nothing but the caller's stream to order
    /// the work: plainly, recorded as a graph, and replayed.</summary>
    /// <param name="resampler">A model in the primary context.</param>
    /// <param name="features">A batch's features.</param>
    /// <param name="grids">Its grids.</param>
    /// <param name="featureType">The type of features on the device.</param>
    /// <param name="tokenType">The type of tokens on the device.</param>
    public static void Run(Resampler resampler, float[] features, PatchGrid[] grids, DeviceElementType featureType,
        DeviceElementType tokenType)
    {
        using CudaCaller caller = new();
        features = DeviceArray.Round(featureType, features);
        float[] onHost = new float[grids.Length * resampler.Config.QueryGrid.QueryCount * resampler.Config.OutputSize];
        resampler.Resample(features, grids, onHost);
        byte[] expected = DeviceArray.Encode(tokenType, onHost);
        byte[] bytes = DeviceArray.Encode(featureType, features);
        DeviceTensor source = new((nint)caller.Allocate(bytes.Length), features.Length, featureType);
        for (int round = 0; round < 3; round++)
        {
            DeviceTensor tokens = new((nint)caller.Allocate(expected.Length), onHost.Length, tokenType);
            caller.Write((ulong)source.Address, bytes);
            resampler.Resample(source, grids, tokens, caller.Stream);
            caller.Write((ulong)source.Address, new byte[bytes.Length]);
            Assert.That(caller.Read((ulong)tokens.Address, expected.Length), Is.EqualTo(expected),
                $"{featureType} to {tokenType}, round {round}");
        }

        Assert.That(resampler.ThrowIfOverflowed, Throws.Nothing);
    }
}
