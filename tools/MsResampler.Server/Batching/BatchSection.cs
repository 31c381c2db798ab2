namespace MsResampler.Server.Batching;

/// <summary>Where a slice is in the copied features and the tokens of its batch.</summary>
/// <param name="Slice">The slice.</param>
/// <param name="FirstGroup">Its first group within the batch.</param>
/// <param name="FirstFeature">Its first feature within the batch.</param>
/// <param name="FeatureLength">The number of its features.</param>
internal sealed record BatchSection(BatchSlice Slice, int FirstGroup, int FirstFeature, int FeatureLength);
