namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Calls with features and tokens on the device, on the mock or on a real device.</summary>
internal static class DeviceTensorCheck
{
    /// <summary>Asserts that the tokens have the same bits as those of a call for the host when only the caller's
    /// stream orders the work: launched directly, recorded as a graph, and replayed.</summary>
    /// <param name="resampler">A model in the primary context.</param>
    /// <param name="features">The features of a batch.</param>
    /// <param name="grids">The grids of the batch.</param>
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
