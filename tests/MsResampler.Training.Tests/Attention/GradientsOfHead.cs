namespace MsResampler.Training.Tests.Attention;

/// <summary>The gradients that attention computes.</summary>
internal enum GradientsOfHead
{
    None,
    Queries,
    Keys,
    Values,
    Sigma,
}
