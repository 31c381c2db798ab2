namespace MsResampler;

[SetUpFixture]
public sealed class TestEnvironment : TestProcess;
