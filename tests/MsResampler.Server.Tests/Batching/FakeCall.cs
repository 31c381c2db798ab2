namespace MsResampler.Server.Tests.Batching;

/// <summary>A computation of a <see cref="FakeBackend"/>.</summary>
/// <param name="PatchCounts">The number of patches of each group.</param>
/// <param name="HasGate">Whether gate weights were asked for.</param>
/// <param name="FirstFeature">The first feature, by which tests mark requests.</param>
/// <param name="Cancellation">The token of the call.</param>
internal sealed record FakeCall(int[] PatchCounts, bool HasGate, float FirstFeature, CancellationToken Cancellation);
