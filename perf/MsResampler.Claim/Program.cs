using System.Globalization;
using MsResampler.Claim;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
return ClaimCommand.Create().Parse(args).Invoke();
